"""dlt on a pretend store at http://127.0.0.1:PORT: the result of a bulk operation into a DuckDB of its own. Its source
for Shopify speaks REST, which the store does not, so the few calls are made here."""

import json
import os
import sys
import time

import meter

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import requests

address = f"http://127.0.0.1:{sys.argv[1]}/admin/api/2026-10/graphql.json"
START = """mutation($query: String!) {
  bulkOperationRunQuery(query: $query) { bulkOperation { id } userErrors { message } }
}"""
STATE = "query($id: ID!) { bulkOperation(id: $id) { status url } }"
LEVELS = """{ inventoryItems { edges { node { id inventoryLevels(includeInactive: true) { edges { node {
  id isActive updatedAt item { id } location { id }
  quantities(names: ["available", "committed", "damaged", "incoming", "on_hand", "quality_control", "reserved",
    "safety_stock"]) { name quantity }
} } } } } } }"""


def ask(document, **variables):
    asked = {"query": document, "variables": variables}
    answer = requests.post(address, json=asked, headers={"X-Shopify-Access-Token": "shpat_pretend"})
    return answer.json()["data"]


@dlt.resource
def levels():
    operation = ask(START, query=LEVELS)["bulkOperationRunQuery"]["bulkOperation"]["id"]
    while (state := ask(STATE, id=operation)["bulkOperation"])["status"] != "COMPLETED":
        time.sleep(0.1)
    with requests.get(state["url"], stream=True) as result:
        rows = []
        for line in result.iter_lines():
            row = json.loads(line)
            if "__parentId" in row:
                rows.append(row)
            # A row at a time would cost it much more.
            if len(rows) == 1_000:
                yield rows
                rows = []
        yield rows


meter.measure()
pipeline = dlt.pipeline("shop", destination=dlt.destinations.duckdb("shop.duckdb"), pipelines_dir="pipelines")
pipeline.run(levels())
with pipeline.sql_client() as client:
    meter.records = client.execute_sql("SELECT count(*) FROM levels")[0][0]

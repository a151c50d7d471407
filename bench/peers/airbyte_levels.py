"""airbyte-source-shopify on a pretend store at http://127.0.0.1:PORT: its stream `inventory_levels`, by a bulk
operation, without the fields that the store does not have. The shop and its scopes are REST, which the store does not
speak, so they are given here."""

import json
import sys
import tempfile

import meter
import requests
from airbyte_cdk.entrypoint import launch
from source_shopify import SourceShopify
from source_shopify.auth import ShopifyAuthenticator
from source_shopify.shopify_graphql.bulk.query import InventoryLevel
from source_shopify.streams.base_streams import ShopifyStream
from source_shopify.streams.streams import InventoryLevels

address = f"http://127.0.0.1:{sys.argv[1]}/admin/api/2026-10/"
ShopifyStream.url_base = property(lambda self: address)
# What the store does not have.
InventoryLevel.item_fields = [field for field in InventoryLevel.item_fields if field.name != "inventoryHistoryUrl"]
InventoryLevel.inventory_levels_fields = [
    field for field in InventoryLevel.inventory_levels_fields if isinstance(field, str) and field != "deactivationAlert"
] + [field for field in InventoryLevel.inventory_levels_fields if not isinstance(field, str)]
InventoryLevel.inventory_levels_fields[-1].fields = InventoryLevel.item_fields


def only_levels(self, config):
    config["authenticator"] = ShopifyAuthenticator(config)
    return [InventoryLevels({**config, "shop_id": 1})]


SourceShopify.streams = only_levels


# It sends the shop's token along to wherever a result is, which the store refuses.
plain = requests.Session.send


def send(self, request, **options):
    if "/_sim/bulk/" in request.url:
        request.headers.pop("X-Shopify-Access-Token", None)
    return plain(self, request, **options)


requests.Session.send = send



config = {
    "shop": "pretend", "start_date": "2020-01-01",
    "credentials": {"auth_method": "api_password", "api_password": "shpat_pretend"},
    # A window as wide as the shop is old: one operation.
    "bulk_window_in_days": 36500,
}
stream = {
    "name": "inventory_levels", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True, "default_cursor_field": ["updated_at"],
}
catalog = {"streams": [{"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
with tempfile.NamedTemporaryFile("w", suffix=".json") as settings, tempfile.NamedTemporaryFile("w", suffix=".json") as wanted:
    json.dump(config, settings)
    settings.flush()
    json.dump(catalog, wanted)
    wanted.flush()
    meter.measure()
    launch(SourceShopify(), ["read", "--config", settings.name, "--catalog", wanted.name])

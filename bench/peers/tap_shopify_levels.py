"""tap-shopify on a pretend store at http://127.0.0.1:PORT: its stream `inventory_levels`, without the fields that the
store does not have. The address of the shop is REST, which the store does not speak, so it is given here."""

import json
import sys
import tempfile

import meter
import shopify
import tap_shopify

MISSING = {"deactivationAlert"}

port = int(sys.argv[1])
shopify.Session.setup(protocol="http", myshopify_domain="0.0.1", port=port)


class Shop:
    attributes = {"id": 1, "name": "Pretend", "myshopify_domain": "pretend.myshopify.com"}

    @staticmethod
    def set_timeout(_):
        pass

    @classmethod
    def current(cls):
        return cls


shopify.Shop = Shop

with tempfile.NamedTemporaryFile("w", suffix=".json") as config, tempfile.NamedTemporaryFile("w", suffix=".json") as catalog:
    # A window as wide as the shop is old: one pass.
    json.dump({"shop": "127", "access_token": "shpat_pretend", "api_key": "shpat_pretend",
               "start_date": "2020-01-01T00:00:00Z", "date_window_size": 36500}, config)
    config.flush()
    tap_shopify.Context.config = json.load(open(config.name))
    tap_shopify.initialize_shopify_client()
    streams = [s for s in tap_shopify.discover()["streams"] if s["tap_stream_id"] == "inventory_levels"]
    for stream in streams:
        for entry in stream["metadata"]:
            name = entry["breadcrumb"][1] if len(entry["breadcrumb"]) == 2 else None
            entry["metadata"]["selected"] = name not in MISSING
    json.dump({"streams": streams}, catalog)
    catalog.flush()
    sys.argv = ["tap-shopify", "--config", config.name, "--catalog", catalog.name]
    meter.measure()
    tap_shopify.main()

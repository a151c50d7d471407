-- How many deliveries of a topic are in a state: counted as they come and go, because there may be a million of them.
CREATE TABLE delivery_count (
  shop INTEGER NOT NULL REFERENCES shop (id),
  topic TEXT NOT NULL,
  state TEXT NOT NULL,
  deliveries INTEGER NOT NULL,
  PRIMARY KEY (shop, topic, state)
) STRICT, WITHOUT ROWID;
INSERT INTO delivery_count (shop, topic, state, deliveries)
  SELECT shop, topic, state, count(*) FROM delivery GROUP BY shop, topic, state;

CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
  INSERT INTO delivery_count (shop, topic, state, deliveries) VALUES (new.shop, new.topic, new.state, 1)
    ON CONFLICT (shop, topic, state) DO UPDATE SET deliveries = deliveries + 1;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery BEGIN
  UPDATE delivery_count SET deliveries = deliveries - 1
    WHERE shop = old.shop AND topic = old.topic AND state = old.state;
END;
CREATE TRIGGER delivery_settled AFTER UPDATE OF state ON delivery WHEN new.state <> old.state BEGIN
  UPDATE delivery_count SET deliveries = deliveries - 1
    WHERE shop = old.shop AND topic = old.topic AND state = old.state;
  INSERT INTO delivery_count (shop, topic, state, deliveries) VALUES (new.shop, new.topic, new.state, 1)
    ON CONFLICT (shop, topic, state) DO UPDATE SET deliveries = deliveries + 1;
END;

-- A customer's own orders, for pages that name no others.
CREATE INDEX customer_order_customer ON customer_order (shop, customer_id, id);

-- The last run of each kind is found however many others there were since.
CREATE INDEX run_of_resource ON run (shop, resource, started_at);
CREATE INDEX run_completed ON run (shop, resource, started_at) WHERE state = 'completed';
CREATE INDEX run_full ON run (shop, resource, started_at) WHERE json_extract(shape, '$.kind') = 'full';

-- store sentinelhub is not available: ATTACH 'folder with its files' AS sentinelhub
-- store cmems is not available: ATTACH 'folder with its files' AS cmems
-- sentinelhub."S2L2A": values are interpolated between the nearest four cells; flags are those of the nearest
-- steps of time are put together: values are means of a period
CREATE TABLE cmems."out" WITH (
  format = 'zarr'
) AS
SELECT time_bucket(INTERVAL '2 days', time, '2018-05-21') AS time, y, x, avg("B04") AS "B04", avg("B05") AS "B05"
FROM reproject(sentinelhub."S2L2A", crs => 'EPSG:32632', resolution => 10, bbox => [500000, 5900000, 600000, 6000000])
WHERE time >= '2018-05-21' AND time < '2018-05-26'
GROUP BY 1, 2, 3;
-- not honoured: input_configs[0].store_id: there is no store olcy; did you mean @olci?
-- not honoured: input_configs[1].store_id: store nowhere has no store_id; give it one, such as "file"
-- not honoured: input_configs[2].store_params: store olci has parameters of its own; leave them out, or change those
-- not honoured: input_configs[2].data_id: the cube has no name; give it one, such as "cube.zarr"
-- not honoured: input_configs[3].store_id: nothing says where the cube is; name a store, such as "file"
-- not honoured: input_configs[4].store_id: store sentinelhub is not available in this version; attach its files, once they are downloaded: ATTACH 'folder' AS sentinelhub
-- not honoured: output_config.store_id: store cmems is not available in this version; write to file or s3
-- error: nothing is made, because the request says 7 things on which the cube depends and which cannot be honoured (input_configs[0].store_id, input_configs[1].store_id, input_configs[2].store_params, input_configs[2].data_id, input_configs[3].store_id, input_configs[4].store_id, output_config.store_id); change it as said above
-- exit code 2

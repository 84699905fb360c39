ATTACH '$DATA/olci-sns' AS olci (tables 'cube-5-100-200.zarr');
-- the folder cubes is made where it is missing
-- olci."cube-5-100-200": cells become larger: values are means of the cells below; flags are those of the nearest
-- steps of time are put together: values are means, flags the first of a period
CREATE TABLE weekly WITH (
  format = 'levels',
  location = 'cubes/weekly.levels',
  levels = '2',
  agg_methods = 'conc_chl=mean,quality_flags=first',
  chunks = 'y=32,x=64'
) AS
SELECT time_bucket(INTERVAL '2 weeks', time, '2017-01-16') AS time, y, x, avg(conc_chl) AS conc_chl, avg(conc_tsm) AS conc_tsm, first_value(quality_flags ORDER BY time) IGNORE NULLS AS quality_flags
FROM reproject(olci."cube-5-100-200", crs => 'EPSG:3035', resolution => 1000, bbox => [3700000, 3050000, 3800000, 3150000], method => 'average')
WHERE time >= '2017-01-16'
GROUP BY 1, 2, 3;
-- not honoured: olci.store_params.max_depth: data_id says where the cube is; leave it out
-- exit code 0

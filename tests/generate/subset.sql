ATTACH '$DATA/olci-sns' AS input (tables 'cube-1-250-250.zarr');
-- the folder cubes is made where it is missing
CREATE OR REPLACE TABLE chl WITH (
  format = 'zarr',
  location = 'cubes/chl.zarr',
  chunks = 'time=all,lat=100,lon=200',
  "attribute.title" = 'Chlorophyll in the Strait of Dover',
  "attribute.version" = '"1.0"',
  "attribute.levels" = '[1,2]',
  "conc_chl.attribute.long_name" = 'chlorophyll'
) AS
SELECT time, lat, lon, conc_chl, quality_flags
FROM input."cube-1-250-250"
WHERE lat BETWEEN 51 AND 52 AND lon BETWEEN 1 AND 2 AND time >= '2017-01-20' AND time < '2017-01-29';
-- not honoured: cube_config.tile_size: chunks says otherwise; leave one of them out
-- exit code 0

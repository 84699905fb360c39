ATTACH '$SAMPLES' AS input (tables 'ostia_monthly.nc,A1B_north_america.nc');
-- input.ostia_monthly: cells become larger: values are means of the cells below; flags are those of the nearest
-- input."A1B_north_america": cells become larger: values are means of the cells below; flags are those of the nearest
-- steps of time are put together: values are means of a period
-- the inputs have different times: where one of them has none, its values are missing
CREATE TABLE "both" WITH (
  format = 'zarr',
  location = 'both.zarr',
  dims = 'time,lat,lon'
) AS
SELECT coalesce(t1.time, t2.time) AS time, coalesce(t1.lat, t2.lat) AS lat, coalesce(t1.lon, t2.lon) AS lon, t1.surface_temperature, t2.air_temperature
FROM (
  SELECT date_trunc('year', time) AS time, lat, lon, avg(surface_temperature) AS surface_temperature
  FROM reproject(input.ostia_monthly, crs => 'EPSG:4326', resolution => 2.5, bbox => [-60, -5, -40, 5], method => 'average')
  GROUP BY 1, 2, 3
) AS t1
FULL JOIN (
  SELECT date_trunc('year', time) AS time, lat, lon, avg(air_temperature) AS air_temperature
  FROM reproject(input."A1B_north_america", crs => 'EPSG:4326', resolution => 2.5, bbox => [-60, -5, -40, 5], method => 'average')
  GROUP BY 1, 2, 3
) AS t2 USING (time, lat, lon);
-- not honoured: output_config.data_id: names of cubes end with their format; it is written as both.zarr
-- not honoured: input_configs: input.ostia_monthly and input."A1B_north_america" count time in calendars of their own, so that no time of one is a time of the other; join them by hand, on parts of dates
-- error: nothing is made, because the request says 1 thing on which the cube depends and which cannot be honoured (input_configs); change it as said above
-- exit code 2

ATTACH '$SAMPLES' AS input (tables 'ostia_monthly.nc');
-- the request holds secrets, which are used and not printed; to run this elsewhere, set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
ATTACH 's3://some-bucket' AS output (anonymous 'false', access_key_id_env 'AWS_ACCESS_KEY_ID', secret_access_key_env 'AWS_SECRET_ACCESS_KEY', endpoint 'https://objects.example', region 'eu-central-1');
-- steps of time are put together: values are means of a period
CREATE OR REPLACE TABLE output."out/sst" WITH (
  format = 'zarr',
  "surface_temperature.dtype" = 'int16',
  "surface_temperature.scale_factor" = '0.01',
  "surface_temperature.add_offset" = '290',
  "surface_temperature.fill_value" = '-32768'
) AS
SELECT time_bucket(INTERVAL '3 months', time) AS time, latitude AS lat, longitude AS lon, avg(surface_temperature) AS surface_temperature
FROM input.ostia_monthly
GROUP BY 1, 2, 3;
-- not honoured: output_config.write_params.consolidated: metadata are always consolidated; leave it out
-- not honoured: cube_config.variable_names: without names, variables with a value per cell of the map are taken, and not forecast_period, forecast_reference_time; name those that you want
-- exit code 0

ATTACH '$SAMPLES' AS input (tables 'ostia_monthly.nc');
CREATE TABLE sst WITH (
  format = 'netcdf',
  location = 'sst.nc',
  chunks = 'lat=6'
) AS
SELECT time, latitude AS lat, longitude AS lon, surface_temperature
FROM input.ostia_monthly
WHERE latitude BETWEEN -5 AND 5 AND lon_between(longitude, -20, 10) AND time <= '2006-12-31T12:00:00';
-- not honoured: cube_config.variable_names: without names, variables with a value per cell of the map are taken, and not forecast_period, forecast_reference_time; name those that you want
-- exit code 0

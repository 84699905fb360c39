-- store cds is not available: ATTACH 'folder with its files' AS cds
-- the folder examples/gen2 is made where it is missing
-- cds."reanalysis-era5-single-levels-monthly-means:monthly_averaged_reanalysis": values are interpolated between the nearest four cells; flags are those of the nearest
-- steps of time are put together: values are means of a period
CREATE OR REPLACE TABLE "out" WITH (
  format = 'zarr',
  location = 'examples/gen2/out.zarr'
) AS
SELECT date_trunc('month', time) AS time, lat, lon, avg("2m_temperature") AS "2m_temperature", avg("10m_wind_speed") AS "10m_wind_speed", avg(clear_sky_direct_solar_radiation_at_surface) AS clear_sky_direct_solar_radiation_at_surface
FROM reproject(cds."reanalysis-era5-single-levels-monthly-means:monthly_averaged_reanalysis", crs => 'EPSG:4326', resolution => 0.25, bbox => [5, 50, 15, 60])
WHERE time >= '2015-01-01' AND time < '2021-01-01'
GROUP BY 1, 2, 3;
-- not honoured: input_config.store_id: store cds is not available in this version; attach its files, once they are downloaded: ATTACH 'folder' AS cds
-- error: nothing is made, because the request says 1 thing on which the cube depends and which cannot be honoured (input_config.store_id); change it as said above
-- exit code 2

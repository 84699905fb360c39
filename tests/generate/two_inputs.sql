ATTACH '$DATA/olci-sns' AS olci (drop_variables 'kd489,c2rcc_flags,quality_flags', tables 'cube-1-250-250.zarr');
ATTACH '$DATA/olci-sns' AS olci_2 (drop_variables 'conc_chl,conc_tsm,c2rcc_flags,quality_flags', tables 'cube-5-100-200.zarr');
-- the folder $DATA/olci-sns/made is made where it is missing
CREATE TABLE "both" WITH (
  format = 'netcdf',
  location = '$DATA/olci-sns/made/both.nc'
) AS
SELECT time, lat, lon, t1.conc_chl, t1.conc_tsm, t2.kd489
FROM (
  SELECT time, lat, lon, conc_chl, conc_tsm
  FROM olci."cube-1-250-250"
  WHERE lat BETWEEN 51 AND 52 AND lon BETWEEN 1 AND 2
) AS t1
JOIN (
  SELECT time, lat, lon, kd489
  FROM olci_2."cube-5-100-200"
  WHERE lat BETWEEN 51 AND 52 AND lon BETWEEN 1 AND 2
) AS t2 USING (time, lat, lon);
-- not honoured: olci.store_params.max_depth: data_id says where the cube is; leave it out
-- not honoured: input_configs[0].open_params.consolidated: consolidated metadata are read where they are; leave it out
-- exit code 0

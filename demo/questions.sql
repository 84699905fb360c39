-- Which cubes are there?
SHOW TABLES;

-- What is in one of them?
DESCRIBE samples.ostia_monthly;

-- El Niño: how warm was the sea in the Niño 3.4 box (5°S–5°N, 170°W–120°W), season by season since 2008?
-- Longitudes of this cube run from 0 to 360. The condition on time decides which chunks are read.
SELECT date_trunc('quarter', time)::DATE AS season,
       round(avg(surface_temperature) - 273.15, 2) AS mean_celsius,
       round(max(surface_temperature) - 273.15, 2) AS warmest_cell
FROM samples.ostia_monthly
WHERE latitude BETWEEN -5 AND 5 AND longitude BETWEEN 190 AND 240 AND time >= '2008-01-01'
GROUP BY season
ORDER BY season;

-- What is the climatology of the cold tongue off Peru, month by month, and how much do cells and years differ?
SELECT date_part('month', time) AS month,
       count(DISTINCT time) AS years,
       round(avg(surface_temperature) - 273.15, 2) AS mean_celsius,
       round(stddev(surface_temperature), 2) AS spread
FROM samples.ostia_monthly
WHERE longitude BETWEEN 265 AND 280 AND latitude < 0
GROUP BY month
ORDER BY month;

-- How much warmer does North America become under scenario A1B than under E1, decade by decade?
-- Two model runs with a 360-day calendar, cell by cell; cells count by their area.
SELECT date_part('year', time) / 10 * 10 AS decade,
       round(sum(a1b.air_temperature * cos(radians(latitude))) / sum(cos(radians(latitude))) - 273.15, 2) AS a1b_celsius,
       round(sum((a1b.air_temperature - e1.air_temperature) * cos(radians(latitude)))
           / sum(cos(radians(latitude))), 2) AS a1b_minus_e1
FROM samples."A1B_north_america" AS a1b
JOIN samples."E1_north_america" AS e1 USING (time, latitude, longitude)
WHERE date_part('year', a1b.time) >= 2000
GROUP BY decade
ORDER BY decade;

-- How warm was the surface of NEMO's ocean in January 2015, from north to south?
-- The ocean grid is curvilinear: latitude is a column, not an axis.
SELECT CAST(floor(nav_lat / 20) * 20 AS INT) AS from_latitude,
       count(tos) AS sea_cells,
       round(avg(tos), 2) AS mean_celsius,
       round(max(tos), 2) AS warmest
FROM samples."NEMO/nemo_1m_20150101-20150201_grid-T"
WHERE tos IS NOT NULL
GROUP BY from_latitude
ORDER BY from_latitude DESC;

-- Does the pressure at Darwin follow the sea? The Southern Oscillation index against Niño 3.4, month by month.
WITH sea AS (
    SELECT date_trunc('month', time) AS month, avg(surface_temperature) AS temperature
    FROM samples.ostia_monthly
    WHERE latitude BETWEEN -5 AND 5 AND longitude BETWEEN 190 AND 240
    GROUP BY month
), air AS (
    SELECT date_trunc('month', time) AS month, "SOI_Darwin" AS index
    FROM samples."SOI_Darwin"
    WHERE time >= '2006-01-01'
)
SELECT count(*) AS months, round(corr(sea.temperature, air.index), 2) AS correlation
FROM sea JOIN air USING (month);

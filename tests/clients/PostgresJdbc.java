// What PostgreSQL's driver for Java does: java -cp postgresql.jar PostgresJdbc.java jdbc:postgresql://HOST:PORT/graticule

import java.sql.*;
import java.util.*;

public class PostgresJdbc {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", "ada");
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            queries(connection);
            fetching(connection);
            metadata(connection);
            errors(connection);
        }
    }

    static void queries(Connection connection) throws SQLException {
        String query = "SELECT count(*), min(time), avg(surface_temperature) FROM samples.ostia_monthly WHERE latitude > ? AND time >= ?";
        try (PreparedStatement statement = connection.prepareStatement(query)) {
            // Often enough that the driver prepares it on the server and asks for binary results.
            for (int run = 0; run < 8; run++) {
                statement.setDouble(1, -run);
                statement.setTimestamp(2, Timestamp.valueOf("2006-05-01 00:00:00"));
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getLong(1) > 0, "rows of a cube");
                    check(rows.getTimestamp(2).toLocalDateTime().getYear() == 2006, "a time");
                    check(rows.getDouble(3) > 250 && rows.getDouble(3) < 320, "a mean");
                }
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int + 1, ?::text, ?::boolean, ?::numeric(10, 2)")) {
            statement.setInt(1, 41);
            statement.setString(2, "é");
            statement.setBoolean(3, true);
            statement.setBigDecimal(4, new java.math.BigDecimal("1.25"));
            ResultSet rows = statement.executeQuery();
            check(rows.next() && rows.getInt(1) == 42 && rows.getString(2).equals("é") && rows.getBoolean(3), "parameters");
            check(rows.getBigDecimal(4).toString().equals("1.25"), "a decimal");
        }
        System.out.println("queries: parameters, prepared on the server");
    }

    static void fetching(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 1000000000000)");
            long sum = 0;
            for (int row = 0; row < 1000; row++) {
                check(rows.next(), "a row");
                sum += rows.getLong(1);
            }
            check(sum == 500500, "rows in portions");
        }
        connection.rollback();
        connection.setAutoCommit(true);
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            statement.executeQuery("SELECT max(value) FROM generate_series(1, 1000000000000)");
            throw new AssertionError("no timeout");
        } catch (SQLException error) {
            check("57014".equals(error.getSQLState()), "a timeout: " + error);
        }
        System.out.println("fetching: in portions, and with a timeout");
    }

    static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        check(data.getDatabaseMajorVersion() == 15, "the version");
        Set<String> schemas = new TreeSet<>();
        try (ResultSet rows = data.getSchemas()) {
            while (rows.next()) schemas.add(rows.getString("TABLE_SCHEM"));
        }
        check(schemas.containsAll(List.of("samples", "public")), "schemas: " + schemas);
        Set<String> tables = new TreeSet<>();
        try (ResultSet rows = data.getTables(null, "samples", "%", new String[] {"TABLE"})) {
            while (rows.next()) tables.add(rows.getString("TABLE_NAME"));
        }
        check(tables.contains("ostia_monthly"), "tables: " + tables);
        Map<String, Integer> columns = new TreeMap<>();
        try (ResultSet rows = data.getColumns(null, "samples", "ostia_monthly", "%")) {
            while (rows.next()) columns.put(rows.getString("COLUMN_NAME"), rows.getInt("DATA_TYPE"));
        }
        check(columns.getOrDefault("surface_temperature", 0) == Types.REAL, "columns: " + columns);
        check(columns.getOrDefault("time", 0) == Types.TIMESTAMP, "columns: " + columns);
        try (ResultSet rows = data.getPrimaryKeys(null, "samples", "ostia_monthly")) {
            check(!rows.next(), "no keys");
        }
        try (ResultSet rows = data.getTypeInfo()) {
            check(rows.next(), "types");
        }
        System.out.println("metadata: " + schemas + ", " + tables.size() + " tables, " + columns.size() + " columns");
    }

    static void errors(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeQuery("SELECT nothing FROM samples.ostia_monthly");
            throw new AssertionError("no error");
        } catch (SQLException error) {
            check("42703".equals(error.getSQLState()), "an unknown column: " + error);
        }
        System.out.println("errors: with their state");
    }
}

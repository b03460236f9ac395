-- Databricks' functions where DuckDB's own differ: temporary macros every session starts with.
--
-- A macro `dbx_x` is what the translation writes for the Databricks function x. What gives a result of another type for
-- an argument of another type is an overload; where the type of an argument is not known when DuckDB chooses between
-- overloads (aggregates, parameters), the macro asks for it with typeof and goes through text.

-- Errors

CREATE TEMP MACRO dbx_no_cast(v, word) AS
    error('[CAST_INVALID_INPUT] The value ''' || CAST(v AS VARCHAR) || ''' of the type "STRING" cannot be cast to "'
        || word || '" because it is malformed. Correct the value as per the syntax, or change its target type. '
        || 'Use `try_cast` to tolerate malformed input and return NULL instead.');
CREATE TEMP MACRO dbx_by_zero() AS
    error('[DIVIDE_BY_ZERO] Division by zero. '
        || 'Use `try_divide` to tolerate divisor being 0 and return NULL instead.');
CREATE TEMP MACRO dbx_remainder_by_zero() AS
    error('[REMAINDER_BY_ZERO] Remainder by zero. '
        || 'Use `try_mod` to tolerate divisor being 0 and return NULL instead.');
CREATE TEMP MACRO dbx_beyond(class, i, a, instead) AS
    error('[' || class || '] The index ' || CAST(i AS VARCHAR) || ' is out of bounds. The array has '
        || CAST(len(a) AS VARCHAR) || ' elements. Use ' || instead
        || ' to tolerate accessing element at invalid index and return NULL instead.');
CREATE TEMP MACRO dbx_raise_error(m) AS error('[USER_RAISED_EXCEPTION] ' || m);
CREATE TEMP MACRO dbx_assert_true
    (c) AS CASE WHEN NOT coalesce(c, false) THEN error('[USER_RAISED_EXCEPTION] the condition is not true') END,
    (c, m) AS CASE WHEN NOT coalesce(c, false) THEN error('[USER_RAISED_EXCEPTION] ' || m) END;

-- Casts to whole numbers: fractions are cut off and text must be a whole number, where DuckDB rounds both

CREATE TEMP MACRO dbx_text(v) AS trim(CAST(v AS VARCHAR));
CREATE TEMP MACRO dbx_whole_text(v, word) AS
    CASE WHEN v IS NULL OR regexp_full_match(dbx_text(v), '[+-]?[0-9]+') THEN dbx_text(v)
    ELSE dbx_no_cast(v, word) END;
CREATE TEMP MACRO dbx_try_whole_text(v) AS
    CASE WHEN regexp_full_match(dbx_text(v), '[+-]?[0-9]+') THEN dbx_text(v) END;
CREATE TEMP MACRO dbx_whole_number(v) AS
    CASE WHEN v IS NULL THEN NULL
    WHEN typeof(v) IN ('DOUBLE', 'FLOAT') THEN CAST(trunc(CAST(CAST(v AS VARCHAR) AS DOUBLE)) AS HUGEINT)
    WHEN typeof(v) LIKE 'DECIMAL%' THEN CAST(split_part(CAST(v AS VARCHAR), '.', 1) AS HUGEINT)
    WHEN typeof(v) = 'BOOLEAN' THEN CASE CAST(v AS VARCHAR) WHEN 'true' THEN 1 ELSE 0 END
    WHEN typeof(v) LIKE 'TIMESTAMP%' THEN CAST(floor(epoch(CAST(CAST(v AS VARCHAR) AS TIMESTAMP))) AS HUGEINT)
    ELSE CAST(CAST(v AS VARCHAR) AS HUGEINT) END;
CREATE TEMP MACRO dbx_cast_tinyint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN CAST(dbx_whole_text(v, 'TINYINT') AS TINYINT)
    ELSE CAST(dbx_whole_number(v) AS TINYINT) END;
CREATE TEMP MACRO dbx_try_cast_tinyint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN TRY_CAST(dbx_try_whole_text(v) AS TINYINT)
    ELSE TRY_CAST(dbx_whole_number(v) AS TINYINT) END;
CREATE TEMP MACRO dbx_cast_smallint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN CAST(dbx_whole_text(v, 'SMALLINT') AS SMALLINT)
    ELSE CAST(dbx_whole_number(v) AS SMALLINT) END;
CREATE TEMP MACRO dbx_try_cast_smallint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN TRY_CAST(dbx_try_whole_text(v) AS SMALLINT)
    ELSE TRY_CAST(dbx_whole_number(v) AS SMALLINT) END;
CREATE TEMP MACRO dbx_cast_int(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN CAST(dbx_whole_text(v, 'INT') AS INTEGER)
    ELSE CAST(dbx_whole_number(v) AS INTEGER) END;
CREATE TEMP MACRO dbx_try_cast_int(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN TRY_CAST(dbx_try_whole_text(v) AS INTEGER)
    ELSE TRY_CAST(dbx_whole_number(v) AS INTEGER) END;
CREATE TEMP MACRO dbx_cast_bigint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN CAST(dbx_whole_text(v, 'BIGINT') AS BIGINT)
    ELSE CAST(dbx_whole_number(v) AS BIGINT) END;
CREATE TEMP MACRO dbx_try_cast_bigint(v) AS
    CASE WHEN typeof(v) = 'VARCHAR' THEN TRY_CAST(dbx_try_whole_text(v) AS BIGINT)
    ELSE TRY_CAST(dbx_whole_number(v) AS BIGINT) END;

-- Casts to text: a floating point number as Java writes it, plain from 0.001 to ten million, else with an exponent

CREATE TEMP MACRO dbx_whole_part(s) AS split_part(split_part(s, 'e', 1), '.', 1);
CREATE TEMP MACRO dbx_fraction(s) AS split_part(split_part(s, 'e', 1), '.', 2);
CREATE TEMP MACRO dbx_digits(s) AS ltrim(dbx_whole_part(s) || dbx_fraction(s), '-0');
CREATE TEMP MACRO dbx_exponent(s) AS
    CASE WHEN ltrim(dbx_whole_part(s), '-0') <> '' THEN length(ltrim(dbx_whole_part(s), '-')) - 1
    ELSE length(ltrim(dbx_fraction(s), '0')) - length(dbx_fraction(s)) - 1 END
    + coalesce(TRY_CAST(split_part(s, 'e', 2) AS INTEGER), 0);
CREATE TEMP MACRO dbx_scientific(s) AS
    CASE WHEN starts_with(s, '-') THEN '-' ELSE '' END || dbx_digits(s)[1] || '.'
    || coalesce(nullif(rtrim(dbx_digits(s)[2:], '0'), ''), '0') || 'E' || CAST(dbx_exponent(s) AS VARCHAR);
CREATE TEMP MACRO dbx_double(v) AS CAST(CAST(v AS VARCHAR) AS DOUBLE);
CREATE TEMP MACRO dbx_string(v) AS
    CASE WHEN typeof(v) NOT IN ('DOUBLE', 'FLOAT') THEN CAST(v AS VARCHAR)
    WHEN isnan(dbx_double(v)) THEN 'NaN'
    WHEN isinf(dbx_double(v)) THEN replace(CAST(v AS VARCHAR), 'inf', 'Infinity')
    WHEN dbx_double(v) = 0 OR (abs(dbx_double(v)) >= 0.001 AND abs(dbx_double(v)) < 1e7) THEN CAST(v AS VARCHAR)
    ELSE dbx_scientific(CAST(v AS VARCHAR)) END;

-- Casts to dates and timestamps: text in parts of ISO 8601 with a zone, seconds since 1970

CREATE TEMP MACRO dbx_whole_date(v) AS
    CASE WHEN regexp_full_match(dbx_text(v), '[0-9]{4}') THEN dbx_text(v) || '-01-01'
    WHEN regexp_full_match(dbx_text(v), '[0-9]{4}-[0-9]{1,2}') THEN dbx_text(v) || '-01'
    ELSE dbx_text(v) END;
CREATE TEMP MACRO dbx_is_time(v) AS typeof(v) IN ('DATE', 'TIMESTAMP');
CREATE TEMP MACRO dbx_is_number(v) AS
    typeof(v) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'DOUBLE', 'FLOAT') OR typeof(v) LIKE 'DECIMAL%';
CREATE TEMP MACRO dbx_date(v) AS
    CASE WHEN dbx_is_time(v) THEN CAST(CAST(v AS VARCHAR) AS DATE)
    ELSE CAST(regexp_extract(dbx_whole_date(v), '^[^ T]*') AS DATE) END;
CREATE TEMP MACRO dbx_try_date(v) AS
    CASE WHEN dbx_is_time(v) THEN CAST(CAST(v AS VARCHAR) AS DATE)
    ELSE TRY_CAST(regexp_extract(dbx_whole_date(v), '^[^ T]*') AS DATE) END;
CREATE TEMP MACRO dbx_timestamp(v) AS
    CASE WHEN dbx_is_time(v) THEN CAST(CAST(v AS VARCHAR) AS TIMESTAMP)
    WHEN dbx_is_number(v) THEN make_timestamp(CAST(dbx_double(v) * 1000000 AS BIGINT))
    ELSE CAST(CAST(dbx_whole_date(v) AS TIMESTAMPTZ) AS TIMESTAMP) END;
CREATE TEMP MACRO dbx_try_timestamp(v) AS
    CASE WHEN dbx_is_time(v) THEN CAST(CAST(v AS VARCHAR) AS TIMESTAMP)
    WHEN dbx_is_number(v) THEN make_timestamp(CAST(dbx_double(v) * 1000000 AS BIGINT))
    ELSE CAST(TRY_CAST(dbx_whole_date(v) AS TIMESTAMPTZ) AS TIMESTAMP) END;

-- Numbers

CREATE TEMP MACRO dbx_divide(a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN b = 0 THEN dbx_by_zero() ELSE a / b END;
CREATE TEMP MACRO dbx_div(a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN b = 0 THEN dbx_by_zero() ELSE CAST(a // b AS BIGINT) END;
CREATE TEMP MACRO dbx_mod(a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN b = 0 THEN dbx_remainder_by_zero() ELSE a % b END;
CREATE TEMP MACRO dbx_pmod(a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN b = 0 THEN dbx_remainder_by_zero()
    WHEN a % b < 0 THEN (a % b + b) % b ELSE a % b END;
-- A decimal division: both sides as whole numbers; ties go away from zero. HUGEINT division is slow, so the quotient
-- is guessed in floating point, where that is right to one, and put right by what is left over.
CREATE TEMP MACRO dbx_unscaled(v, point, shift) AS CAST(v * point AS HUGEINT) * shift;
CREATE TEMP MACRO dbx_guess(n, d) AS CAST(n AS DOUBLE) / CAST(d AS DOUBLE);
CREATE TEMP MACRO dbx_near(n, d) AS
    CASE WHEN abs(dbx_guess(n, d)) < 1e15 THEN CAST(round(dbx_guess(n, d)) AS HUGEINT) ELSE n // d END;
CREATE TEMP MACRO dbx_left_over(n, d) AS 2 * (n - dbx_near(n, d) * d) * CASE WHEN d < 0 THEN -1 ELSE 1 END;
CREATE TEMP MACRO dbx_quotient(n, d, unit) AS
    CASE WHEN n IS NULL OR d IS NULL THEN NULL WHEN d = 0 THEN dbx_by_zero()
    ELSE CAST(dbx_near(n, d)
        + CASE WHEN dbx_left_over(n, d) > abs(d) OR (dbx_left_over(n, d) = abs(d) AND (n > 0) = (d > 0)) THEN 1
        WHEN dbx_left_over(n, d) < -abs(d) OR (dbx_left_over(n, d) = -abs(d) AND (n > 0) <> (d > 0)) THEN -1
        ELSE 0 END AS DECIMAL(38, 0)) * unit END;
CREATE TEMP MACRO dbx_sqrt(v) AS CASE WHEN v < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(CAST(v AS DOUBLE)) END;
CREATE TEMP MACRO dbx_log(v) AS CASE WHEN v > 0 THEN ln(v) END;
-- By the digits one sees: 1.005 is rounded to 1.01, though what is stored is a little less. It is a tie where the number
-- is the nearest there is to one.
CREATE TEMP MACRO dbx_places(v, n) AS floor(abs(v) * pow(10, n));
CREATE TEMP MACRO dbx_round(v, n) AS
    CASE WHEN abs(v) = (dbx_places(v, n) + 0.5) / pow(10, n) THEN sign(v) * (dbx_places(v, n) + 1) / pow(10, n)
    ELSE round(v, n) END;
CREATE TEMP MACRO dbx_width_bucket(v, low, high, n) AS
    CAST(CASE WHEN v < low THEN 0 WHEN v >= high THEN n + 1 ELSE floor((v - low) * n / (high - low)) + 1 END AS BIGINT);
CREATE TEMP MACRO dbx_format_number(v, n) AS format('{:,.' || CAST(n AS VARCHAR) || 'f}', CAST(v AS DOUBLE));
CREATE TEMP MACRO dbx_typeof(v) AS
    CASE typeof(v) WHEN 'VARCHAR' THEN 'string' WHEN 'INTEGER' THEN 'int' WHEN 'BLOB' THEN 'binary'
    WHEN 'JSON' THEN 'string' WHEN 'HUGEINT' THEN 'bigint' WHEN '"NULL"' THEN 'void' ELSE lower(typeof(v)) END;

-- Dates and times

CREATE TEMP MACRO dbx_now() AS CAST(now() AS TIMESTAMP);
CREATE TEMP MACRO dbx_unix_now() AS CAST(floor(epoch(now())) AS BIGINT);
CREATE TEMP MACRO dbx_unix(t) AS CAST(floor(epoch(CAST(t AS TIMESTAMP))) AS BIGINT);
CREATE TEMP MACRO dbx_from_utc(t, z) AS (dbx_timestamp(t) AT TIME ZONE 'UTC') AT TIME ZONE z;
CREATE TEMP MACRO dbx_this_century(t) AS CASE WHEN year(t) < 2000 THEN t + INTERVAL 100 YEAR ELSE t END;
CREATE TEMP MACRO dbx_date_add(d, n) AS dbx_date(d) + CAST(n AS INTEGER);
CREATE TEMP MACRO dbx_add_months(d, n) AS CAST(dbx_date(d) + to_months(CAST(n AS INTEGER)) AS DATE);
CREATE TEMP MACRO dbx_plus_days
    (d DATE, i) AS CAST(d + i AS DATE), (d TIMESTAMP, i) AS d + i, (d VARCHAR, i) AS CAST(d AS TIMESTAMP) + i;
CREATE TEMP MACRO dbx_minus_days
    (d DATE, i) AS CAST(d - i AS DATE), (d TIMESTAMP, i) AS d - i, (d VARCHAR, i) AS CAST(d AS TIMESTAMP) - i;
CREATE TEMP MACRO dbx_trunc(d, u) AS
    CAST(date_trunc(CASE lower(u) WHEN 'mm' THEN 'month' WHEN 'mon' THEN 'month' WHEN 'yyyy' THEN 'year'
        WHEN 'yy' THEN 'year' WHEN 'q' THEN 'quarter' ELSE lower(u) END, dbx_date(d)) AS DATE);
CREATE TEMP MACRO dbx_weekday(d) AS CAST(isodow(dbx_date(d)) - 1 AS INTEGER);
CREATE TEMP MACRO dbx_dayofweek(d) AS CAST(dayofweek(dbx_date(d)) + 1 AS INTEGER);
CREATE TEMP MACRO dbx_seconds(t) AS
    CAST(CAST(epoch_us(t) % 60000000 AS DECIMAL(18, 0)) * CAST(0.000001 AS DECIMAL(6, 6)) AS DECIMAL(8, 6));
CREATE TEMP MACRO dbx_micros_apart(a, b, size) AS CAST((epoch_us(b) - epoch_us(a)) // size AS BIGINT);
-- Whole months: the last one counts when the day and time of its start are reached.
CREATE TEMP MACRO dbx_month_rest(t) AS epoch_us(t) - epoch_us(date_trunc('month', t));
CREATE TEMP MACRO dbx_calendar_months(a, b) AS (year(b) - year(a)) * 12 + month(b) - month(a);
CREATE TEMP MACRO dbx_months_apart(a, b, size) AS
    CAST((dbx_calendar_months(a, b)
        + CASE WHEN dbx_calendar_months(a, b) > 0 AND dbx_month_rest(b) < dbx_month_rest(a) THEN -1
        WHEN dbx_calendar_months(a, b) < 0 AND dbx_month_rest(b) > dbx_month_rest(a) THEN 1 ELSE 0 END
    ) // size AS BIGINT);
CREATE TEMP MACRO dbx_sequence
    (a DATE, b DATE, s) AS list_transform(generate_series(a, b, s), lambda x: CAST(x AS DATE)),
    (a TIMESTAMP, b TIMESTAMP, s) AS generate_series(a, b, s),
    (a BIGINT, b BIGINT, s) AS generate_series(a, b, s);
CREATE TEMP MACRO dbx_sequence_by_one
    (a DATE, b DATE) AS
        list_transform(generate_series(a, b, CASE WHEN a <= b THEN INTERVAL 1 DAY ELSE INTERVAL (-1) DAY END),
            lambda x: CAST(x AS DATE)),
    (a BIGINT, b BIGINT) AS generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END);

-- Text

CREATE TEMP MACRO dbx_substring(s, p) AS CASE WHEN p = 0 THEN s ELSE substring(s, p) END;
CREATE TEMP MACRO dbx_substring3(s, p, n) AS
    CASE WHEN n <= 0 THEN '' WHEN p = 0 THEN substring(s, 1, n)
    WHEN p < -length(s) THEN substring(s, 1, greatest(0, n + p + length(s))) ELSE substring(s, p, n) END;
CREATE TEMP MACRO dbx_substring_index(s, d, n) AS
    CASE WHEN n > 0 THEN array_to_string(string_split(s, d)[1:n], d)
    WHEN n < 0 THEN array_to_string(string_split(s, d)[n:], d) ELSE '' END;
CREATE TEMP MACRO dbx_initcap(s) AS
    array_to_string(list_transform(string_split(lower(s), ' '), lambda w: upper(w[1]) || w[2:]), ' ');
CREATE TEMP MACRO dbx_split_limit(s, d, n) AS
    CASE WHEN len(string_split(s, d)) <= n THEN string_split(s, d)
    ELSE list_append(string_split(s, d)[1:n - 1], array_to_string(string_split(s, d)[n:], d)) END;
CREATE TEMP MACRO dbx_overlay(s, r, p, n) AS substring(s, 1, p - 1) || r || substring(s, p + n);
CREATE TEMP MACRO dbx_find_in_set(s, l) AS CAST(coalesce(list_position(string_split(l, ','), s), 0) AS INTEGER);
CREATE TEMP MACRO dbx_groups(r) AS regexp_replace(r, '[$]([0-9])', '\\\1', 'g');
CREATE TEMP MACRO dbx_url_encode(s) AS replace(url_encode(s), '%20', '+');
CREATE TEMP MACRO dbx_url_decode(s) AS url_decode(replace(s, '+', '%20'));

-- JSON

CREATE TEMP MACRO dbx_valid_json(j) AS CASE WHEN json_valid(j) THEN j END;
CREATE TEMP MACRO dbx_from_json(j, s) AS from_json(CASE WHEN j IS NULL OR json_valid(j) THEN j ELSE '{}' END, s);
CREATE TEMP MACRO dbx_from_json_or_null(j, s) AS from_json(CASE WHEN json_valid(j) THEN j END, s);
CREATE TEMP MACRO dbx_without_nulls(j) AS CAST(json_merge_patch('{}', j) AS VARCHAR);

-- Arrays and maps

CREATE TEMP MACRO dbx_exists(bits) AS CASE WHEN bits IS NOT NULL THEN coalesce(list_bool_or(bits), false) END;
CREATE TEMP MACRO dbx_forall(bits) AS CASE WHEN bits IS NOT NULL THEN coalesce(list_bool_and(bits), true) END;
CREATE TEMP MACRO dbx_item(a, i) AS
    CASE WHEN a IS NULL OR i IS NULL THEN NULL
    WHEN i < 0 OR i >= len(a) THEN dbx_beyond('INVALID_ARRAY_INDEX', i, a, 'the SQL function `get()`')
    ELSE a[i + 1] END;
CREATE TEMP MACRO dbx_element_at(a, i) AS
    CASE WHEN a IS NULL OR i IS NULL THEN NULL
    WHEN i = 0 OR abs(i) > len(a) THEN dbx_beyond('INVALID_ARRAY_INDEX_IN_ELEMENT_AT', i, a, '`try_element_at`')
    ELSE a[i] END;
CREATE TEMP MACRO dbx_slice(a, f, n) AS
    CASE WHEN f > 0 THEN a[f:f + n - 1] ELSE a[len(a) + f + 1:len(a) + f + n] END;
CREATE TEMP MACRO dbx_array_contains(a, e) AS
    CASE WHEN a IS NULL OR e IS NULL THEN NULL WHEN list_contains(a, e) THEN true
    WHEN list_count(a) < len(a) THEN NULL ELSE false END;
CREATE TEMP MACRO dbx_array_position(a, e) AS CAST(coalesce(list_position(a, e), 0) AS BIGINT);
CREATE TEMP MACRO dbx_array_distinct(a) AS list_filter(a, lambda x, i: list_position(a, x) = i);
CREATE TEMP MACRO dbx_array_union(a, b) AS dbx_array_distinct(list_concat(a, b));
CREATE TEMP MACRO dbx_array_repeat(e, n) AS list_transform(range(n), lambda i: e);
CREATE TEMP MACRO dbx_array_compact(a) AS list_filter(a, lambda x: x IS NOT NULL);
CREATE TEMP MACRO dbx_map_of_text(s, p, k) AS
    map_from_entries(list_transform(string_split(s, p), lambda e: {
        'key': split_part(e, k, 1), 'value': CASE WHEN contains(e, k) THEN substring(e, instr(e, k) + length(k)) END}));

-- Names

CREATE TEMP MACRO dbx_catalog(c) AS
    CASE WHEN c IN ('main_', 'temp_', 'system_', 'memory_') THEN c[:-2] ELSE c END;

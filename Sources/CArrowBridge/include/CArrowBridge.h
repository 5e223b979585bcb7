// The only door to Arrow C++: files in and out as the Arrow C data interface.
//
// Every call that can fail takes an `ArrowBridgeError *` (never null), fills it and returns null,
// false or a negative number. No exception leaves the bridge. Messages are freed with
// `arrow_bridge_error_release`.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The Arrow C data interface, to the letter (arrow.apache.org/docs/format/CDataInterface.html).
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
#endif

enum ArrowBridgeErrorKind {
  ARROW_BRIDGE_NOT_FOUND = 1,
  ARROW_BRIDGE_PERMISSION,
  ARROW_BRIDGE_BAD_DATA,
  ARROW_BRIDGE_UNSUPPORTED,
  /// Disk full, I/O error: half way through.
  ARROW_BRIDGE_IO,
  ARROW_BRIDGE_OUT_OF_MEMORY,
  /// The output cannot be created.
  ARROW_BRIDGE_CANNOT_CREATE,
  /// A database or its driver refused: `status` and `sqlstate` say how.
  ARROW_BRIDGE_DATABASE,
  /// A driver library cannot be loaded.
  ARROW_BRIDGE_DRIVER,
};

typedef struct ArrowBridgeError {
  /// 0 while nothing failed.
  int32_t kind;
  /// One line; null while nothing failed.
  char *message;
  /// The column at fault, or null.
  char *column;
  /// 0-based row within what was being read, or -1.
  int64_t row;
  /// Of a database: ADBC's status code, and the five letters of SQL, empty where there are none.
  int32_t status;
  char sqlstate[6];
} ArrowBridgeError;

void arrow_bridge_error_release(ArrowBridgeError *error);

/// Version of the Arrow C++ library that is loaded, such as "26.0.1".
const char *arrow_bridge_version(void);

/* Gives memory that was kept for further decoding back to the system. */
void arrow_bridge_release_memory(void);

// -- Reading Parquet and Arrow IPC ---------------------------------------------------------------

enum ArrowBridgeFormat {
  ARROW_BRIDGE_PARQUET = 1,
  /// Arrow IPC, file or stream: told apart by their first bytes.
  ARROW_BRIDGE_IPC,
};

/// What a column is once it is normalised.
enum ArrowBridgeType {
  ARROW_BRIDGE_INT32 = 1,
  ARROW_BRIDGE_INT64,
  ARROW_BRIDGE_FLOAT,
  ARROW_BRIDGE_DOUBLE,
  ARROW_BRIDGE_DATE,
  ARROW_BRIDGE_TIMESTAMP,
  ARROW_BRIDGE_DECIMAL,
  ARROW_BRIDGE_STRING,
  /// A column without a single value: handed over as utf8, all missing.
  ARROW_BRIDGE_NULL,
  ARROW_BRIDGE_UNREADABLE,
};

typedef struct ArrowBridgeField {
  /// Lives as long as the file.
  const char *name;
  /// The type in the file, in Arrow's words.
  const char *type_name;
  int32_t type;
  /// Timestamps: 0 s, 1 ms, 2 µs, 3 ns.
  int32_t unit;
  bool has_zone;
  int32_t precision;
  int32_t scale;
} ArrowBridgeField;

/// An open file: its schema and where its row groups are. Immutable, safe on any thread.
typedef struct ArrowBridgeFile ArrowBridgeFile;

ArrowBridgeFile *arrow_bridge_file_open(const char *path, int32_t format, ArrowBridgeError *error);
void arrow_bridge_file_close(ArrowBridgeFile *file);
int64_t arrow_bridge_file_fields(const ArrowBridgeFile *file);
ArrowBridgeField arrow_bridge_file_field(const ArrowBridgeFile *file, int64_t index);
/// Rows in the file, or -1 for a stream.
int64_t arrow_bridge_file_rows(const ArrowBridgeFile *file);
/// Row groups of a Parquet file; 0 for IPC, which is read by cursor only.
int64_t arrow_bridge_file_groups(const ArrowBridgeFile *file);
int64_t arrow_bridge_file_group_rows(const ArrowBridgeFile *file, int64_t group);
/// Smallest and largest value of a field of signed integers by the statistics of all row groups; false
/// where they do not tell.
bool arrow_bridge_file_integer_range(
    const ArrowBridgeFile *file, int32_t field, int64_t *low, int64_t *high);

/// What to read: fields of the schema, and which of them (same length, may be null) as dictionaries.
typedef struct ArrowBridgeColumns {
  const int32_t *fields;
  const bool *as_dictionary;
  int64_t count;
} ArrowBridgeColumns;

/// Reads whole row groups into one struct array with one child per asked column: int32, int64,
/// float, double, date32, timestamp, decimal64 (as int64 "l"), utf8, large_utf8 or
/// dictionary<int32, utf8 or large_utf8>. Any number of calls at once on one file.
bool arrow_bridge_file_read(
    const ArrowBridgeFile *file, const int32_t *groups, int64_t group_count,
    ArrowBridgeColumns columns, struct ArrowArray *out, struct ArrowSchema *out_schema,
    ArrowBridgeError *error);

/// Reads row groups (Parquet) or everything (IPC) batch after batch, one caller at a time.
typedef struct ArrowBridgeCursor ArrowBridgeCursor;
/// Rows as they lie in the file, still to be normalised.
typedef struct ArrowBridgeBatch ArrowBridgeBatch;

ArrowBridgeCursor *arrow_bridge_cursor_open(
    const ArrowBridgeFile *file, const int32_t *groups, int64_t group_count,
    ArrowBridgeColumns columns, int64_t batch_rows, bool buffered, ArrowBridgeError *error);
/// Null at the end (error kind 0) or on failure.
ArrowBridgeBatch *arrow_bridge_cursor_next(ArrowBridgeCursor *cursor, ArrowBridgeError *error);
void arrow_bridge_cursor_close(ArrowBridgeCursor *cursor);

int64_t arrow_bridge_batch_rows(const ArrowBridgeBatch *batch);
/// Normalises as `arrow_bridge_file_read` does; safe on any thread.
bool arrow_bridge_batch_export(
    const ArrowBridgeBatch *batch, struct ArrowArray *out, struct ArrowSchema *out_schema,
    ArrowBridgeError *error);
void arrow_bridge_batch_free(ArrowBridgeBatch *batch);

// -- Arrow IPC files mapped into memory ----------------------------------------------------------

/// An IPC file of signed integers of any width, utf8 and binary columns, uncompressed and without
/// missing values: its columns are where they lie in the page cache. Immutable, safe on any thread.
typedef struct ArrowBridgeMap ArrowBridgeMap;

typedef struct ArrowBridgeMappedColumn {
  /// Numbers, or the bytes that `offsets` cut.
  const void *values;
  /// Null for numbers, and where there are no rows.
  const int32_t *offsets;
  /// Bytes of a number, 0 for utf8 and binary.
  int32_t width;
  bool is_text;
} ArrowBridgeMappedColumn;

ArrowBridgeMap *arrow_bridge_map_open(const char *path, ArrowBridgeError *error);
void arrow_bridge_map_close(ArrowBridgeMap *map);
int64_t arrow_bridge_map_fields(const ArrowBridgeMap *map);
/// Lives as long as the map.
const char *arrow_bridge_map_name(const ArrowBridgeMap *map, int64_t field);
int64_t arrow_bridge_map_batches(const ArrowBridgeMap *map);
int64_t arrow_bridge_map_rows(const ArrowBridgeMap *map, int64_t batch);
ArrowBridgeMappedColumn arrow_bridge_map_column(
    const ArrowBridgeMap *map, int64_t batch, int64_t field);

/// Asks the system to begin to bring a file to the disk, so that a later fsync has less to wait for.
void arrow_bridge_start_flush(const char *path);

// -- Bytes of text files -------------------------------------------------------------------------

enum ArrowBridgeCompression {
  ARROW_BRIDGE_PLAIN = 0,
  ARROW_BRIDGE_GZIP,
  ARROW_BRIDGE_ZSTD,
  /// Reading only: what the first bytes say.
  ARROW_BRIDGE_BY_CONTENT,
};

/// A file read from front to back, decompressed on the way (several members too).
typedef struct ArrowBridgeBytes ArrowBridgeBytes;

/// `path` "-" is standard input. Reading more than `limit` decompressed bytes (0 = no limit) is an
/// error: a bomb.
ArrowBridgeBytes *arrow_bridge_bytes_open(
    const char *path, int32_t compression, int64_t limit, ArrowBridgeError *error);
/// Fills `buffer` unless the end comes first; returns the bytes read, 0 at the end, -1 on failure.
int64_t arrow_bridge_bytes_read(
    ArrowBridgeBytes *bytes, void *buffer, int64_t capacity, ArrowBridgeError *error);
/// Compressed bytes taken from the file so far.
int64_t arrow_bridge_bytes_consumed(const ArrowBridgeBytes *bytes);
void arrow_bridge_bytes_close(ArrowBridgeBytes *bytes);

// -- Writing -------------------------------------------------------------------------------------

enum ArrowBridgeOutput {
  ARROW_BRIDGE_WRITE_PARQUET = 1,
  ARROW_BRIDGE_WRITE_IPC,
  ARROW_BRIDGE_WRITE_CSV,
};

typedef struct ArrowBridgeWriterOptions {
  int32_t output;
  /// Whether the bytes (CSV), buffers (IPC) or pages (Parquet, zstd only) are compressed.
  int32_t compression;
  /// Codec level, or INT32_MIN for the codec's own default.
  int32_t level;
  int64_t row_group_rows;
  int32_t threads;
  char delimiter;
  bool header;
  /// fsync before the file is closed.
  bool synchronize;
  /// Parquet: look for repeated numbers; else whole numbers are written as differences.
  bool dictionaries;
} ArrowBridgeWriterOptions;

typedef struct ArrowBridgeWriter ArrowBridgeWriter;

/// Creates the file; `schema` is released in any case.
ArrowBridgeWriter *arrow_bridge_writer_open(
    const char *path, ArrowBridgeWriterOptions options, struct ArrowSchema *schema,
    ArrowBridgeError *error);
/// Writes a struct array of the schema; `batch` is released in any case.
bool arrow_bridge_writer_write(
    ArrowBridgeWriter *writer, struct ArrowArray *batch, ArrowBridgeError *error);
bool arrow_bridge_writer_close(ArrowBridgeWriter *writer, ArrowBridgeError *error);
/// Frees the writer; an unfinished file stays as it is.
void arrow_bridge_writer_free(ArrowBridgeWriter *writer);

// -- Databases -----------------------------------------------------------------------------------

/// A connection through an ADBC driver (arrow.apache.org/adbc). One caller at a time.
typedef struct ArrowBridgeDatabase ArrowBridgeDatabase;

/// Loads the driver library (once a process) and connects.
///
/// - `entry`: the driver's init function, null for `AdbcDriverInit`.
/// - `options`: `option_count` pairs of key and value for the driver, one after the other.
ArrowBridgeDatabase *arrow_bridge_database_open(
    const char *driver, const char *entry, const char *const *options, int64_t option_count,
    ArrowBridgeError *error);
/// What was not committed is undone. Results still open keep the connection alive.
void arrow_bridge_database_close(ArrowBridgeDatabase *database);

/// Runs a statement without rows.
bool arrow_bridge_database_execute(
    ArrowBridgeDatabase *database, const char *sql, ArrowBridgeError *error);
/// Runs a query; its rows are read, once, through a cursor of the result. `options` are the
/// statement's, as above.
ArrowBridgeFile *arrow_bridge_database_query(
    ArrowBridgeDatabase *database, const char *sql, const char *const *options,
    int64_t option_count, ArrowBridgeError *error);

/// From here on nothing is visible to others until `arrow_bridge_database_commit`.
bool arrow_bridge_database_begin(ArrowBridgeDatabase *database, ArrowBridgeError *error);
bool arrow_bridge_database_commit(ArrowBridgeDatabase *database, ArrowBridgeError *error);
/// Appends a struct array to a table, which is created first when `create`; array and schema are
/// released in any case. `table_schema` may be null.
bool arrow_bridge_database_ingest(
    ArrowBridgeDatabase *database, const char *table_schema, const char *table, bool create,
    struct ArrowArray *batch, struct ArrowSchema *schema, ArrowBridgeError *error);

#ifdef __cplusplus
}
#endif

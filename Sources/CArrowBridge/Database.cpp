#include <arrow/c/bridge.h>
#include <arrow/compute/api.h>
#include <dlfcn.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "ADBC.hpp"
#include "Reading.hpp"

using namespace bridge;

namespace {

/// A driver library, loaded once and never unloaded: drivers leave threads and exit handlers behind.
struct Driver {
  AdbcDriver table{};

  static Driver &load(const std::string &path, const std::string &entry);
};

/// What a driver says when it refuses.
class Refusal {
 public:
  explicit Refusal(Driver &driver) { raw_.private_driver = &driver.table; }
  ~Refusal() {
    if (raw_.release) raw_.release(&raw_);
  }
  Refusal(const Refusal &) = delete;
  Refusal &operator=(const Refusal &) = delete;

  AdbcError *get() { return &raw_; }

  static Failure failure(AdbcStatusCode status, const char *message, const char *sqlstate) {
    std::string text = message ? message : "the driver gives no reason";
    text = text.substr(0, text.find('\n'));
    Failure failure{ARROW_BRIDGE_DATABASE, text, ""};
    failure.status = status;
    // Not terminated in the interface; absent as zeros.
    if (sqlstate) failure.sqlstate.assign(sqlstate, strnlen(sqlstate, 5));
    return failure;
  }

  void check(AdbcStatusCode status) {
    if (status != ADBC_STATUS_OK) throw failure(status, raw_.message, raw_.sqlstate);
  }

 private:
  AdbcError raw_{nullptr, ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA, {}, nullptr, nullptr, nullptr};
};

template <typename Function, typename... Arguments>
void call(Driver &driver, Function function, Arguments... arguments) {
  Refusal refusal(driver);
  refusal.check(function(arguments..., refusal.get()));
}

Driver &Driver::load(const std::string &path, const std::string &entry) {
  static std::mutex lock;
  static auto &drivers = *new std::map<std::string, std::unique_ptr<Driver>>();
  const std::lock_guard<std::mutex> guard(lock);
  auto &slot = drivers[path + "\n" + entry];
  if (slot) return *slot;
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    throw Failure{ARROW_BRIDGE_DRIVER, dlerror(), ""};
  }
  const std::string name = entry.empty() ? "AdbcDriverInit" : entry;
  const auto init = reinterpret_cast<AdbcDriverInitFunction>(dlsym(library, name.c_str()));
  if (!init) {
    dlclose(library);
    throw Failure{ARROW_BRIDGE_DRIVER, "it has no function " + name, ""};
  }
  auto driver = std::make_unique<Driver>();
  Refusal refusal(*driver);
  auto status = init(ADBC_VERSION_1_1_0, &driver->table, refusal.get());
  if (status == ADBC_STATUS_NOT_IMPLEMENTED) {
    driver->table = {};
    status = init(ADBC_VERSION_1_0_0, &driver->table, refusal.get());
  }
  refusal.check(status);
  slot = std::move(driver);
  return *slot;
}

/// Shared by the handle and the results that are still being read.
struct Connection {
  Driver &driver;
  AdbcDatabase database{};
  AdbcConnection connection{};

  explicit Connection(Driver &given) : driver(given) {
    database.private_driver = &given.table;
    connection.private_driver = &given.table;
  }
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  ~Connection() {
    Refusal refusal(driver);
    if (connection.private_data) driver.table.ConnectionRelease(&connection, refusal.get());
    Refusal second(driver);
    if (database.private_data) driver.table.DatabaseRelease(&database, second.get());
  }

  void open(const char *const *options, int64_t count) {
    call(driver, driver.table.DatabaseNew, &database);
    for (int64_t index = 0; index < count; ++index) {
      call(
          driver, driver.table.DatabaseSetOption, &database, options[2 * index],
          options[2 * index + 1]);
    }
    call(driver, driver.table.DatabaseInit, &database);
    call(driver, driver.table.ConnectionNew, &connection);
    call(driver, driver.table.ConnectionInit, &connection, &database);
  }
};

class Statement {
 public:
  explicit Statement(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)) {
    raw_.private_driver = &table();
    call(connection_->driver, table().StatementNew, &connection_->connection, &raw_);
  }
  Statement(const Statement &) = delete;
  Statement &operator=(const Statement &) = delete;
  ~Statement() {
    Refusal refusal(driver());
    if (raw_.private_data) table().StatementRelease(&raw_, refusal.get());
  }

  void query(const char *sql) { call(driver(), table().StatementSetSqlQuery, &raw_, sql); }

  void option(const char *key, const char *value) {
    call(driver(), table().StatementSetOption, &raw_, key, value);
  }

  void bind(const arrow::RecordBatch &batch) {
    ArrowArray array{};
    ArrowSchema schema{};
    check(arrow::ExportRecordBatch(batch, &array, &schema), Doing::writing);
    Refusal refusal(driver());
    const auto status = table().StatementBind(&raw_, &array, &schema, refusal.get());
    // A driver that takes them leaves null behind.
    if (array.release) array.release(&array);
    if (schema.release) schema.release(&schema);
    refusal.check(status);
  }

  /// `stream` null for a statement without rows.
  void execute(ArrowArrayStream *stream) {
    int64_t rows = -1;
    call(driver(), table().StatementExecuteQuery, &raw_, stream, &rows);
  }

  /// Ends a query whose rows nobody wants any more; what a driver says to it does not matter.
  void cancel() {
    Refusal refusal(driver());
    if (table().StatementCancel) table().StatementCancel(&raw_, refusal.get());
  }

  Driver &driver() { return connection_->driver; }

 private:
  AdbcDriver &table() { return connection_->driver.table; }

  std::shared_ptr<Connection> connection_;
  AdbcStatement raw_{};
};

/// The rows of a query, on their way.
class Rows {
 public:
  Rows(
      std::shared_ptr<Connection> connection, const char *sql, const char *const *options,
      int64_t option_count)
      : statement_(std::move(connection)) {
    statement_.query(sql);
    for (int64_t index = 0; index < option_count; ++index) {
      statement_.option(options[2 * index], options[2 * index + 1]);
    }
    statement_.execute(&stream_);
    ArrowSchema schema{};
    check_stream(stream_.get_schema(&stream_, &schema));
    schema_ = take(arrow::ImportSchema(&schema));
  }
  Rows(const Rows &) = delete;
  Rows &operator=(const Rows &) = delete;
  ~Rows() {
    if (fetcher_.joinable()) {
      bool was_finished = false;
      {
        const std::lock_guard<std::mutex> guard(lock_);
        is_unwanted_ = true;
        was_finished = is_finished_;
      }
      room_.notify_one();
      // Wakes a fetcher that waits for the server; the interface allows it from any thread.
      if (!was_finished) statement_.cancel();
      fetcher_.join();
    } else {
      statement_.cancel();
    }
    if (stream_.release) stream_.release(&stream_);
  }

  const std::shared_ptr<arrow::Schema> &schema() const { return schema_; }

  /// Null at the end.
  ///
  /// Batches are fetched ahead on a thread of their own: a server sends only while someone reads, so
  /// it would stand still while the rows before are folded.
  std::shared_ptr<arrow::RecordBatch> next() {
    if (!fetcher_.joinable()) fetcher_ = std::thread([this] { fetch(); });
    std::unique_lock<std::mutex> guard(lock_);
    arrived_.wait(guard, [this] { return !fetched_.empty() || is_finished_; });
    if (fetched_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return nullptr;
    }
    auto batch = std::move(fetched_.front());
    fetched_.pop_front();
    guard.unlock();
    room_.notify_one();
    return batch;
  }

 private:
  /// Batches held ready; drivers make them some 16 MB large.
  static constexpr size_t most_fetched = 4;

  void fetch() {
    std::exception_ptr failure;
    try {
      while (true) {
        auto batch = fetch_one();
        if (!batch) break;
        std::unique_lock<std::mutex> guard(lock_);
        room_.wait(guard, [this] { return is_unwanted_ || fetched_.size() < most_fetched; });
        if (is_unwanted_) break;
        fetched_.push_back(std::move(batch));
        guard.unlock();
        arrived_.notify_one();
      }
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard<std::mutex> guard(lock_);
      failure_ = failure;
      is_finished_ = true;
    }
    arrived_.notify_one();
  }

  std::shared_ptr<arrow::RecordBatch> fetch_one() {
    ArrowArray array{};
    check_stream(stream_.get_next(&stream_, &array));
    return array.release ? take(arrow::ImportRecordBatch(&array, schema_)) : nullptr;
  }

  void check_stream(int code) {
    if (code == 0) return;
    AdbcStatusCode status = 0;
    const auto &table = statement_.driver().table;
    const auto *error =
        table.ErrorFromArrayStream ? table.ErrorFromArrayStream(&stream_, &status) : nullptr;
    if (error && error->message) throw Refusal::failure(status, error->message, error->sqlstate);
    const char *said = stream_.get_last_error ? stream_.get_last_error(&stream_) : nullptr;
    throw Refusal::failure(0, said ? said : std::strerror(code), nullptr);
  }

  Statement statement_;
  ArrowArrayStream stream_{};
  std::shared_ptr<arrow::Schema> schema_;

  std::thread fetcher_;
  std::mutex lock_;
  std::condition_variable arrived_;
  std::condition_variable room_;
  // Under the lock.
  std::deque<std::shared_ptr<arrow::RecordBatch>> fetched_;
  std::exception_ptr failure_;
  bool is_finished_ = false;
  bool is_unwanted_ = false;
};

class RowsCursor final : public ArrowBridgeCursor {
 public:
  RowsCursor(std::shared_ptr<Rows> rows, Selection selection, int64_t batch_rows)
      : rows_(std::move(rows)), selection_(std::move(selection)), batch_rows_(batch_rows) {}

  std::unique_ptr<ArrowBridgeBatch> next() override {
    while (!current_ || offset_ >= current_->num_rows()) {
      current_ = rows_->next();
      offset_ = 0;
      if (!current_) return nullptr;
      // As with files: what comes from outside is looked at before anyone follows it.
      for (int field : selection_.fields) check(current_->column(field)->ValidateFull());
    }
    const auto slice = current_->Slice(offset_, batch_rows_);
    offset_ += slice->num_rows();
    auto batch = std::make_unique<ArrowBridgeBatch>();
    batch->rows = slice->num_rows();
    for (int field : selection_.fields) {
      batch->fields.push_back(slice->schema()->field(field));
      batch->columns.push_back(std::make_shared<arrow::ChunkedArray>(slice->column(field)));
    }
    return batch;
  }

 private:
  std::shared_ptr<Rows> rows_;
  Selection selection_;
  int64_t batch_rows_;
  std::shared_ptr<arrow::RecordBatch> current_;
  int64_t offset_ = 0;
};

/// A query's result with the face of a file that is read once, from front to back.
class QueryResult final : public ArrowBridgeFile {
 public:
  explicit QueryResult(std::shared_ptr<Rows> rows) : rows_(std::move(rows)) {
    schema = rows_->schema();
    name_types(*this);
  }

  int64_t rows() const override { return -1; }
  std::vector<int64_t> group_rows() const override { return {}; }

  ArrowBridgeBatch read(const std::vector<int> &, const Selection &) const override {
    throw Failure{ARROW_BRIDGE_UNSUPPORTED, "row groups of queries", ""};
  }

  std::unique_ptr<ArrowBridgeCursor> cursor(
      const std::vector<int> &, const Selection &selection, int64_t batch_rows, bool) const override {
    if (!rows_) throw Failure{ARROW_BRIDGE_UNSUPPORTED, "second readings of one query", ""};
    return std::make_unique<RowsCursor>(std::move(rows_), selection, batch_rows);
  }

 private:
  mutable std::shared_ptr<Rows> rows_;
};

/// As drivers know it: plain texts, and decimals in 128 bits.
std::shared_ptr<arrow::RecordBatch> plain(const std::shared_ptr<arrow::RecordBatch> &batch) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (int index = 0; index < batch->num_columns(); ++index) {
    auto column = batch->column(index);
    auto type = column->type();
    if (type->id() == arrow::Type::DICTIONARY) {
      type = static_cast<const arrow::DictionaryType &>(*type).value_type();
    } else if (type->id() == arrow::Type::DECIMAL32 || type->id() == arrow::Type::DECIMAL64) {
      const auto &decimal = static_cast<const arrow::DecimalType &>(*type);
      type = arrow::decimal128(decimal.precision(), decimal.scale());
    }
    if (!column->type()->Equals(*type)) {
      column = take(arrow::compute::Cast(*column, type), Doing::writing);
    }
    fields.push_back(batch->schema()->field(index)->WithType(type));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), columns);
}

}  // namespace

struct ArrowBridgeDatabase {
  std::shared_ptr<Connection> connection;
};

extern "C" {

ArrowBridgeDatabase *arrow_bridge_database_open(
    const char *driver, const char *entry, const char *const *options, int64_t option_count,
    ArrowBridgeError *error) {
  ArrowBridgeDatabase *result = nullptr;
  guarded(error, Doing::reading, [&] {
    auto connection = std::make_shared<Connection>(Driver::load(driver, entry ? entry : ""));
    connection->open(options, option_count);
    result = new ArrowBridgeDatabase{std::move(connection)};
  });
  return result;
}

void arrow_bridge_database_close(ArrowBridgeDatabase *database) {
  delete database;
}

bool arrow_bridge_database_execute(
    ArrowBridgeDatabase *database, const char *sql, ArrowBridgeError *error) {
  return guarded(error, Doing::writing, [&] {
    Statement statement(database->connection);
    statement.query(sql);
    statement.execute(nullptr);
  });
}

ArrowBridgeFile *arrow_bridge_database_query(
    ArrowBridgeDatabase *database, const char *sql, const char *const *options,
    int64_t option_count, ArrowBridgeError *error) {
  ArrowBridgeFile *result = nullptr;
  guarded(error, Doing::reading, [&] {
    result = new QueryResult(
        std::make_shared<Rows>(database->connection, sql, options, option_count));
  });
  return result;
}

bool arrow_bridge_database_begin(ArrowBridgeDatabase *database, ArrowBridgeError *error) {
  return guarded(error, Doing::writing, [&] {
    const auto &own = database->connection;
    call(
        own->driver, own->driver.table.ConnectionSetOption, &own->connection,
        "adbc.connection.autocommit", "false");
  });
}

bool arrow_bridge_database_commit(ArrowBridgeDatabase *database, ArrowBridgeError *error) {
  return guarded(error, Doing::writing, [&] {
    const auto &own = database->connection;
    call(own->driver, own->driver.table.ConnectionCommit, &own->connection);
  });
}

bool arrow_bridge_database_ingest(
    ArrowBridgeDatabase *database, const char *table_schema, const char *table, bool create,
    ArrowArray *batch, ArrowSchema *schema, ArrowBridgeError *error) {
  return guarded(error, Doing::writing, [&] {
    // Importing releases the array; the schema only once it is known to be sound.
    const auto rows = take(arrow::ImportRecordBatch(batch, schema), Doing::writing);
    Statement statement(database->connection);
    statement.option("adbc.ingest.target_table", table);
    if (table_schema) statement.option("adbc.ingest.target_db_schema", table_schema);
    statement.option(
        "adbc.ingest.mode", create ? "adbc.ingest.mode.create" : "adbc.ingest.mode.append");
    statement.bind(*plain(rows));
    statement.execute(nullptr);
  });
}
}

#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <fcntl.h>
#include <unistd.h>

#include "Failure.hpp"

using namespace bridge;

struct ArrowBridgeMap {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};

namespace {

bool is_bytes(const arrow::DataType &type) {
  return type.id() == arrow::Type::BINARY || type.id() == arrow::Type::STRING;
}

/// Columns are handed out as pointers, so nothing but plain numbers and bytes may be behind them.
void check_column(const arrow::Array &column) {
  const auto &type = *column.type();
  if (!is_bytes(type) && !arrow::is_signed_integer(type.id())) {
    throw Failure{ARROW_BRIDGE_UNSUPPORTED, "columns of type " + type.ToString(), ""};
  }
  if (column.null_count() != 0) {
    throw Failure{ARROW_BRIDGE_BAD_DATA, "a value is missing", ""};
  }
  // Offsets are followed later on; for numbers the full check is the plain one.
  check(is_bytes(type) ? column.ValidateFull() : column.Validate());
}

}  // namespace

extern "C" {

ArrowBridgeMap *arrow_bridge_map_open(const char *path, ArrowBridgeError *error) {
  ArrowBridgeMap *result = nullptr;
  guarded(error, Doing::reading, [&] {
    auto map = std::make_unique<ArrowBridgeMap>();
    const auto file = take(arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
    const auto reader = take(arrow::ipc::RecordBatchFileReader::Open(file, options));
    map->schema = reader->schema();
    for (int index = 0; index < reader->num_record_batches(); ++index) {
      map->batches.push_back(take(reader->ReadRecordBatch(index)));
      check(map->batches.back()->Validate());
      for (const auto &column : map->batches.back()->columns()) check_column(*column);
    }
    result = map.release();
  });
  return result;
}

void arrow_bridge_map_close(ArrowBridgeMap *map) { delete map; }

int64_t arrow_bridge_map_fields(const ArrowBridgeMap *map) { return map->schema->num_fields(); }

const char *arrow_bridge_map_name(const ArrowBridgeMap *map, int64_t field) {
  return map->schema->field(static_cast<int>(field))->name().c_str();
}

int64_t arrow_bridge_map_batches(const ArrowBridgeMap *map) {
  return static_cast<int64_t>(map->batches.size());
}

int64_t arrow_bridge_map_rows(const ArrowBridgeMap *map, int64_t batch) {
  return map->batches[batch]->num_rows();
}

ArrowBridgeMappedColumn arrow_bridge_map_column(
    const ArrowBridgeMap *map, int64_t batch, int64_t field) {
  const auto &column = *map->batches[batch]->column(static_cast<int>(field));
  const auto &data = *column.data();
  ArrowBridgeMappedColumn result = {};
  if (is_bytes(*column.type())) {
    result.is_text = column.type()->id() == arrow::Type::STRING;
    const auto &bytes = static_cast<const arrow::BinaryArray &>(column);
    // Without rows there need be no offsets.
    result.offsets = bytes.length() == 0 ? nullptr : bytes.raw_value_offsets();
    result.values = data.buffers[2] ? data.buffers[2]->data() : nullptr;
  } else {
    result.width = column.type()->byte_width();
    result.values = data.buffers[1] ? data.buffers[1]->data() + data.offset * result.width : nullptr;
  }
  return result;
}

void arrow_bridge_start_flush(const char *path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  // A hint: what fails here, fsync reports.
  sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
  ::close(file);
}
}

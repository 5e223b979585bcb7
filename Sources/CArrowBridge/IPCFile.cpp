#include <arrow/ipc/reader.h>

#include <cstring>
#include <limits>

#include "Reading.hpp"

namespace bridge {

namespace {

using arrow::ipc::IpcReadOptions;

/// One face for the two readers, which share none.
class Batches {
 public:
  Batches(const std::shared_ptr<arrow::io::ReadableFile> &file, std::vector<int> fields) {
    auto options = IpcReadOptions::Defaults();
    options.use_threads = false;
    // Buffers are read as numbers later on, so they must lie where such numbers may lie.
    options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
    options.included_fields = std::move(fields);
    if (is_file_format(*file)) {
      file_ = take(arrow::ipc::RecordBatchFileReader::Open(file, options));
    } else {
      stream_ = take(arrow::ipc::RecordBatchStreamReader::Open(file, options));
    }
  }

  std::shared_ptr<arrow::Schema> schema() const {
    return file_ ? file_->schema() : stream_->schema();
  }

  /// -1 for a stream.
  int64_t rows() { return file_ ? take(file_->CountRows()) : -1; }

  std::shared_ptr<arrow::RecordBatch> next() {
    std::shared_ptr<arrow::RecordBatch> batch;
    if (stream_) {
      check(stream_->ReadNext(&batch));
    } else if (position_ < file_->num_record_batches()) {
      batch = take(file_->ReadRecordBatch(position_++));
    }
    return batch;
  }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  int position_ = 0;

  static bool is_file_format(arrow::io::ReadableFile &file) {
    char magic[6] = {};
    const int64_t bytes = take(file.ReadAt(0, 6, magic));
    // Reading at a place leaves the position undefined, and streams read from the position.
    check(file.Seek(0));
    if (bytes >= 4 && std::memcmp(magic, "FEA1", 4) == 0) {
      throw Failure{ARROW_BRIDGE_UNSUPPORTED, "files of Feather version 1", ""};
    }
    return bytes == 6 && std::memcmp(magic, "ARROW1", 6) == 0;
  }
};

class IPCCursor final : public ArrowBridgeCursor {
 public:
  IPCCursor(
      const std::shared_ptr<arrow::io::ReadableFile> &file, const Selection &selection,
      int64_t batch_rows)
      : selection_(selection), batch_rows_(batch_rows) {
    // Included fields come back in schema order, each once.
    included_ = selection.fields;
    std::sort(included_.begin(), included_.end());
    included_.erase(std::unique(included_.begin(), included_.end()), included_.end());
    batches_ = std::make_unique<Batches>(file, included_);
  }

  std::unique_ptr<ArrowBridgeBatch> next() override {
    while (!current_ || offset_ >= current_->num_rows()) {
      current_ = batches_->next();
      offset_ = 0;
      if (!current_) return nullptr;
      // The bytes come from outside: offsets and codes are looked at before anyone follows them.
      for (const auto &column : current_->columns()) check(column->ValidateFull());
    }
    const auto slice = current_->Slice(offset_, batch_rows_);
    offset_ += slice->num_rows();
    auto batch = std::make_unique<ArrowBridgeBatch>();
    batch->rows = slice->num_rows();
    for (int field : selection_.fields) {
      const auto place = included_.empty() ? field
          : static_cast<int>(
                std::lower_bound(included_.begin(), included_.end(), field) - included_.begin());
      batch->fields.push_back(slice->schema()->field(place));
      batch->columns.push_back(std::make_shared<arrow::ChunkedArray>(slice->column(place)));
    }
    return batch;
  }

 private:
  Selection selection_;
  int64_t batch_rows_;
  std::vector<int> included_;
  std::unique_ptr<Batches> batches_;
  std::shared_ptr<arrow::RecordBatch> current_;
  int64_t offset_ = 0;
};

class IPCFile final : public ArrowBridgeFile {
 public:
  explicit IPCFile(const std::string &given) {
    path = given;
    Batches batches(open_file(path, &identity), {});
    schema = batches.schema();
    rows_ = batches.rows();
  }

  int64_t rows() const override { return rows_; }
  std::vector<int64_t> group_rows() const override { return {}; }

  ArrowBridgeBatch read(const std::vector<int> &, const Selection &) const override {
    throw Failure{ARROW_BRIDGE_UNSUPPORTED, "row groups of Arrow IPC files", ""};
  }

  std::unique_ptr<ArrowBridgeCursor> cursor(
      const std::vector<int> &, const Selection &selection, int64_t batch_rows, bool) const override {
    return std::make_unique<IPCCursor>(reopen(), selection, batch_rows);
  }

 private:
  int64_t rows_ = -1;
};

}  // namespace

std::unique_ptr<ArrowBridgeFile> open_ipc(const std::string &path) {
  return std::make_unique<IPCFile>(path);
}

}  // namespace bridge

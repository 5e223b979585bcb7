#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <limits>

#include "Reading.hpp"
#include "ReusingPool.hpp"

namespace bridge {

namespace {

/// Rows of a row group that is read whole are asked for at once: one chunk per column.
constexpr int64_t whole_group = std::numeric_limits<int32_t>::max();
/// Bytes of a column that a cursor keeps of a row group too large to hold.
constexpr int64_t stream_buffer = 1 << 20;

parquet::ReaderProperties reader_properties(bool streaming) {
  parquet::ReaderProperties properties(reusing_pool());
  properties.set_page_checksum_verification(true);
  if (streaming) {
    properties.enable_buffered_stream();
    properties.set_buffer_size(stream_buffer);
  }
  return properties;
}

parquet::ArrowReaderProperties arrow_properties() {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  // One read per column chunk on the calling thread; prefetching would start Arrow's I/O threads.
  properties.set_pre_buffer(false);
  properties.set_smallest_decimal_enabled(true);
  // Nanoseconds end in 2262: sentinels such as 9999-12-31 would not fit.
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  return properties;
}

class ParquetCursor final : public ArrowBridgeCursor {
 public:
  ParquetCursor(
      std::unique_ptr<parquet::arrow::FileReader> reader,
      std::unique_ptr<arrow::RecordBatchReader> batches)
      : reader_(std::move(reader)), batches_(std::move(batches)) {}

  std::unique_ptr<ArrowBridgeBatch> next() override {
    std::shared_ptr<arrow::RecordBatch> rows;
    check(batches_->ReadNext(&rows));
    if (!rows) return nullptr;
    auto batch = std::make_unique<ArrowBridgeBatch>();
    batch->rows = rows->num_rows();
    batch->fields = rows->schema()->fields();
    for (const auto &column : rows->columns()) {
      batch->columns.push_back(std::make_shared<arrow::ChunkedArray>(column));
    }
    return batch;
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

class ParquetFile final : public ArrowBridgeFile {
 public:
  explicit ParquetFile(const std::string &given) {
    path = given;
    auto source = open_file(path, &identity);
    metadata_ = parquet::ParquetFileReader::Open(source, reader_properties(false))->metadata();
    check(parquet::arrow::SchemaManifest::Make(
        metadata_->schema(), metadata_->key_value_metadata(), arrow_properties(), &manifest_));
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (const auto &field : manifest_.schema_fields) fields.push_back(field.field);
    schema = arrow::schema(fields);
    for (int group = 0; group < metadata_->num_row_groups(); ++group) {
      const int64_t rows = metadata_->RowGroup(group)->num_rows();
      if (rows < 0) throw Failure{ARROW_BRIDGE_BAD_DATA, "a row group declares a negative row count", ""};
      group_rows_.push_back(rows);
    }
  }

  int64_t rows() const override { return metadata_->num_rows(); }
  std::vector<int64_t> group_rows() const override { return group_rows_; }

  bool integer_range(int field, int64_t *low, int64_t *high) const override {
    const auto type = schema->field(field)->type()->id();
    const int leaf = manifest_.schema_fields[static_cast<size_t>(field)].column_index;
    if (leaf < 0 || (type != arrow::Type::INT64 && type != arrow::Type::INT32)) return false;
    *low = std::numeric_limits<int64_t>::max();
    *high = std::numeric_limits<int64_t>::min();
    for (int group = 0; group < metadata_->num_row_groups(); ++group) {
      const auto chunk = metadata_->RowGroup(group)->ColumnChunk(leaf);
      const auto known = chunk->is_stats_set() ? chunk->statistics() : nullptr;
      if (known && known->HasNullCount() && known->null_count() == chunk->num_values()) continue;
      if (!known || !known->HasMinMax()) return false;
      const auto widen = [&](const auto &values) {
        *low = std::min<int64_t>(*low, values.min());
        *high = std::max<int64_t>(*high, values.max());
      };
      switch (known->physical_type()) {
        case parquet::Type::INT64: widen(static_cast<const parquet::Int64Statistics &>(*known)); break;
        case parquet::Type::INT32: widen(static_cast<const parquet::Int32Statistics &>(*known)); break;
        default: return false;
      }
    }
    return true;
  }

  ArrowBridgeBatch read(
      const std::vector<int> &groups, const Selection &selection) const override {
    ArrowBridgeBatch batch;
    for (int group : groups) batch.rows += group_rows_[static_cast<size_t>(group)];
    if (selection.fields.empty()) return batch;
    auto reader = open_reader(selection, whole_group, false);
    const auto table = take(reader->ReadRowGroups(groups, leaves(selection)));
    batch.columns = table->columns();
    batch.fields = table->schema()->fields();
    return batch;
  }

  std::unique_ptr<ArrowBridgeCursor> cursor(
      const std::vector<int> &groups, const Selection &selection,
      int64_t batch_rows, bool buffered) const override {
    auto reader = open_reader(selection, batch_rows, buffered);
    auto batches = take(reader->GetRecordBatchReader(groups, leaves(selection)));
    return std::make_unique<ParquetCursor>(std::move(reader), std::move(batches));
  }

 private:
  std::shared_ptr<parquet::FileMetaData> metadata_;
  parquet::arrow::SchemaManifest manifest_;
  std::vector<int64_t> group_rows_;

  /// Parquet counts leaves; readable fields have exactly one.
  std::vector<int> leaves(const Selection &selection) const {
    std::vector<int> indices;
    for (int field : selection.fields) {
      indices.push_back(manifest_.schema_fields[static_cast<size_t>(field)].column_index);
    }
    return indices;
  }

  std::unique_ptr<parquet::arrow::FileReader> open_reader(
      const Selection &selection, int64_t batch_rows, bool streaming) const {
    auto properties = arrow_properties();
    properties.set_batch_size(batch_rows);
    const auto indices = leaves(selection);
    for (size_t index = 0; index < indices.size(); ++index) {
      const auto *leaf = metadata_->schema()->Column(indices[index]);
      if (selection.as_dictionary[index] && leaf->physical_type() == parquet::Type::BYTE_ARRAY &&
          !(leaf->logical_type() && leaf->logical_type()->is_decimal())) {
        properties.set_read_dictionary(indices[index], true);
      }
    }
    auto file = parquet::ParquetFileReader::Open(
        reopen(), reader_properties(streaming), metadata_);
    return take(parquet::arrow::FileReader::Make(
        reusing_pool(), std::move(file), properties));
  }
};

}  // namespace

std::unique_ptr<ArrowBridgeFile> open_parquet(const std::string &path) {
  return std::make_unique<ParquetFile>(path);
}

}  // namespace bridge

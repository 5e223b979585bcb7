#include "Reading.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "Normalize.hpp"

using namespace bridge;

namespace bridge {

std::shared_ptr<arrow::io::ReadableFile> open_file(const std::string &path, FileIdentity *identity) {
  auto file = take(arrow::io::ReadableFile::Open(path));
  struct stat status {};
  if (fstat(file->file_descriptor(), &status) != 0) {
    throw Failure{ARROW_BRIDGE_IO, std::strerror(errno), ""};
  }
  if (!S_ISREG(status.st_mode)) {
    throw Failure{ARROW_BRIDGE_BAD_DATA, "it is not a regular file", ""};
  }
  *identity = {
      status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ino};
  return file;
}

void name_types(ArrowBridgeFile &file) {
  for (const auto &field : file.schema->fields()) {
    file.type_names.push_back(field->type()->ToString());
  }
}

}  // namespace bridge

std::shared_ptr<arrow::io::ReadableFile> ArrowBridgeFile::reopen() const {
  FileIdentity now;
  auto file = open_file(path, &now);
  if (!(now == identity)) {
    throw Failure{ARROW_BRIDGE_BAD_DATA, "the file changed while it was being read", ""};
  }
  return file;
}

namespace {

Selection selection_of(const ArrowBridgeFile &file, ArrowBridgeColumns columns) {
  Selection selection;
  for (int64_t index = 0; index < columns.count; ++index) {
    const int field = columns.fields[index];
    if (describe(*file.schema->field(field)->type()).type == ARROW_BRIDGE_UNREADABLE) {
      throw Failure{
          ARROW_BRIDGE_UNSUPPORTED, "columns of type " + file.schema->field(field)->type()->ToString(),
          file.schema->field(field)->name()};
    }
    selection.fields.push_back(field);
    selection.as_dictionary.push_back(columns.as_dictionary && columns.as_dictionary[index]);
  }
  return selection;
}

void export_batch(const ArrowBridgeBatch &batch, ArrowArray *out, ArrowSchema *out_schema) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t index = 0; index < batch.columns.size(); ++index) {
    const auto &name = batch.fields[index]->name();
    auto values = normalize(batch.columns[index], name);
    if (values->length() != batch.rows) {
      throw Failure{
          ARROW_BRIDGE_BAD_DATA,
          "the column holds " + std::to_string(values->length()) + " values where the file declares " +
              std::to_string(batch.rows),
          name};
    }
    columns.push_back(std::move(values));
  }
  export_columns(columns, batch.fields, batch.rows, out, out_schema);
}

}  // namespace

extern "C" {

ArrowBridgeFile *arrow_bridge_file_open(const char *path, int32_t format, ArrowBridgeError *error) {
  ArrowBridgeFile *result = nullptr;
  guarded(error, Doing::reading, [&] {
    auto file = format == ARROW_BRIDGE_PARQUET ? open_parquet(path) : open_ipc(path);
    name_types(*file);
    result = file.release();
  });
  return result;
}

void arrow_bridge_file_close(ArrowBridgeFile *file) { delete file; }

int64_t arrow_bridge_file_fields(const ArrowBridgeFile *file) { return file->schema->num_fields(); }

ArrowBridgeField arrow_bridge_file_field(const ArrowBridgeFile *file, int64_t index) {
  const auto &field = file->schema->field(static_cast<int>(index));
  auto description = describe(*field->type());
  description.name = field->name().c_str();
  description.type_name = file->type_names[static_cast<size_t>(index)].c_str();
  return description;
}

int64_t arrow_bridge_file_rows(const ArrowBridgeFile *file) { return file->rows(); }

int64_t arrow_bridge_file_groups(const ArrowBridgeFile *file) {
  return static_cast<int64_t>(file->group_rows().size());
}

int64_t arrow_bridge_file_group_rows(const ArrowBridgeFile *file, int64_t group) {
  return file->group_rows()[static_cast<size_t>(group)];
}

bool arrow_bridge_file_integer_range(
    const ArrowBridgeFile *file, int32_t field, int64_t *low, int64_t *high) {
  ArrowBridgeError unsaid = {};
  bool known = false;
  return guarded(&unsaid, Doing::reading, [&] {
           known = file->integer_range(field, low, high);
         }) &&
         known;
}

bool arrow_bridge_file_read(
    const ArrowBridgeFile *file, const int32_t *groups, int64_t group_count,
    ArrowBridgeColumns columns, ArrowArray *out, ArrowSchema *out_schema, ArrowBridgeError *error) {
  return guarded(error, Doing::reading, [&] {
    const std::vector<int> wanted(groups, groups + group_count);
    export_batch(file->read(wanted, selection_of(*file, columns)), out, out_schema);
  });
}

ArrowBridgeCursor *arrow_bridge_cursor_open(
    const ArrowBridgeFile *file, const int32_t *groups, int64_t group_count,
    ArrowBridgeColumns columns, int64_t batch_rows, bool buffered, ArrowBridgeError *error) {
  ArrowBridgeCursor *result = nullptr;
  guarded(error, Doing::reading, [&] {
    const std::vector<int> wanted(groups, groups + group_count);
    result = file->cursor(wanted, selection_of(*file, columns), batch_rows, buffered).release();
  });
  return result;
}

ArrowBridgeBatch *arrow_bridge_cursor_next(ArrowBridgeCursor *cursor, ArrowBridgeError *error) {
  ArrowBridgeBatch *result = nullptr;
  guarded(error, Doing::reading, [&] { result = cursor->next().release(); });
  return result;
}

void arrow_bridge_cursor_close(ArrowBridgeCursor *cursor) { delete cursor; }

int64_t arrow_bridge_batch_rows(const ArrowBridgeBatch *batch) { return batch->rows; }

bool arrow_bridge_batch_export(
    const ArrowBridgeBatch *batch, ArrowArray *out, ArrowSchema *out_schema,
    ArrowBridgeError *error) {
  return guarded(error, Doing::reading, [&] { export_batch(*batch, out, out_schema); });
}

void arrow_bridge_batch_free(ArrowBridgeBatch *batch) { delete batch; }
}

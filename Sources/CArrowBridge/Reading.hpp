// What the C handles of the reading side hold.
#pragma once

#include <arrow/io/file.h>

#include <string>
#include <vector>

#include "Failure.hpp"

namespace bridge {

/// Enough of `stat` to notice that a file changed between two openings.
struct FileIdentity {
  int64_t size = 0;
  int64_t modified_seconds = 0;
  int64_t modified_nanoseconds = 0;
  uint64_t inode = 0;

  bool operator==(const FileIdentity &) const = default;
};

/// Opens for positional reads; a folder or a missing file is a `Failure`.
std::shared_ptr<arrow::io::ReadableFile> open_file(const std::string &path, FileIdentity *identity);

struct Selection {
  std::vector<int> fields;
  std::vector<bool> as_dictionary;
};

}  // namespace bridge

/// Rows as they were read, still to be normalised.
struct ArrowBridgeBatch {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  int64_t rows = 0;
};

struct ArrowBridgeCursor {
  virtual ~ArrowBridgeCursor() = default;
  /// Null at the end.
  virtual std::unique_ptr<ArrowBridgeBatch> next() = 0;
};

struct ArrowBridgeFile {
  std::string path;
  bridge::FileIdentity identity;
  std::shared_ptr<arrow::Schema> schema;
  /// Kept so that names and type names outlive the calls that hand them out.
  std::vector<std::string> type_names;

  virtual ~ArrowBridgeFile() = default;
  virtual int64_t rows() const = 0;
  virtual std::vector<int64_t> group_rows() const = 0;
  virtual bool integer_range(int, int64_t *, int64_t *) const { return false; }
  virtual ArrowBridgeBatch read(
      const std::vector<int> &groups, const bridge::Selection &selection) const = 0;
  virtual std::unique_ptr<ArrowBridgeCursor> cursor(
      const std::vector<int> &groups, const bridge::Selection &selection, int64_t batch_rows,
      bool buffered) const = 0;

  /// Opens the path again; a file that is no longer the one first opened is a `Failure`.
  std::shared_ptr<arrow::io::ReadableFile> reopen() const;
};

namespace bridge {

std::unique_ptr<ArrowBridgeFile> open_parquet(const std::string &path);
std::unique_ptr<ArrowBridgeFile> open_ipc(const std::string &path);

/// Fills in what is handed out by pointer.
void name_types(ArrowBridgeFile &file);

}  // namespace bridge

// From any of Arrow's types to the few that columns have.
#pragma once

#include "Failure.hpp"

namespace bridge {

/// Name and normalised type of a file's field. `name` and `type_name` are left to the caller.
ArrowBridgeField describe(const arrow::DataType &type);

/// One array of the normalised type: chunks joined, odd types widened or decoded. Decimals come
/// back as int64 minor units.
///
/// - Throws: `Failure` with column and row for a value that does not fit.
std::shared_ptr<arrow::Array> normalize(
    const std::shared_ptr<arrow::ChunkedArray> &values, const std::string &column);

/// Exports normalised columns as one struct array.
void export_columns(
    const std::vector<std::shared_ptr<arrow::Array>> &columns,
    const std::vector<std::shared_ptr<arrow::Field>> &fields, int64_t rows, ArrowArray *out,
    ArrowSchema *out_schema);

}  // namespace bridge

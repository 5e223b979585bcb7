#include "Normalize.hpp"

#include <arrow/c/bridge.h>
#include <arrow/compute/api.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

#include <cstring>
#include <limits>

namespace bridge {

namespace {

using arrow::Array;
using arrow::ArrayData;
using arrow::Type;

/// int32 offsets end here; longer columns get int64 offsets.
constexpr int64_t longest_utf8 = std::numeric_limits<int32_t>::max();

bool is_text(Type::type id) {
  switch (id) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return true;
    default:
      return false;
  }
}

const arrow::DataType &storage(const arrow::DataType &type) {
  const auto *inner = &type;
  while (inner->id() == Type::EXTENSION) {
    inner = static_cast<const arrow::ExtensionType *>(inner)->storage_type().get();
  }
  return *inner;
}

std::shared_ptr<Array> cast(
    const std::shared_ptr<Array> &values, const std::shared_ptr<arrow::DataType> &type,
    const std::string &column) {
  auto result = arrow::compute::Cast(*values, type);
  if (!result.ok()) {
    auto failure = failure_from(result.status(), Doing::reading);
    failure.column = column;
    throw failure;
  }
  return std::move(result).ValueUnsafe();
}

/// The same buffers under another type of the same layout.
std::shared_ptr<Array> view(
    const std::shared_ptr<Array> &values, const std::shared_ptr<arrow::DataType> &type) {
  auto data = values->data()->Copy();
  data->type = type;
  return arrow::MakeArray(data);
}

/// An int64 array whose value at each present row is `value(row)`, which returns whether it fits.
template <typename Value>
std::shared_ptr<Array> as_int64(
    const std::shared_ptr<Array> &values, const std::string &column, const char *problem,
    const Value &value) {
  const int64_t rows = values->length();
  auto buffer = take(arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(int64_t))));
  auto *target = reinterpret_cast<int64_t *>(buffer->mutable_data());
  const bool may_miss = values->null_count() > 0;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t number = 0;
    if (may_miss && values->IsNull(row)) {
      target[row] = 0;
    } else if (value(row, &number)) {
      target[row] = number;
    } else {
      throw Failure{ARROW_BRIDGE_BAD_DATA, problem, column, row};
    }
  }
  std::shared_ptr<arrow::Buffer> validity;
  if (may_miss) {
    validity = take(arrow::AllocateEmptyBitmap(rows));
    for (int64_t row = 0; row < rows; ++row) {
      if (values->IsValid(row)) arrow::bit_util::SetBit(validity->mutable_data(), row);
    }
  }
  return arrow::MakeArray(ArrayData::Make(
      arrow::int64(), rows, {validity, std::move(buffer)},
      may_miss ? values->null_count() : 0));
}

int64_t power_of_ten(int exponent) {
  int64_t power = 1;
  for (int step = 0; step < exponent; ++step) power *= 10;
  return power;
}

/// Minor units: decimals of a negative scale are multiplied up to scale 0.
std::shared_ptr<Array> minor_units(
    const std::shared_ptr<Array> &values, const std::string &column) {
  const auto &type = static_cast<const arrow::DecimalType &>(*values->type());
  const int lift = type.scale() < 0 ? -type.scale() : 0;
  if (lift > 18) {
    throw Failure{ARROW_BRIDGE_UNSUPPORTED, "decimals of scale " + std::to_string(type.scale()), column};
  }
  const int64_t factor = power_of_ten(lift);
  const char *problem = "the decimal does not fit into 64 bits of minor units";
  const auto lifted = [factor](int64_t number, int64_t *out) {
    return !__builtin_mul_overflow(number, factor, out);
  };
  if (type.id() == Type::DECIMAL64 && lift == 0) return view(values, arrow::int64());
  if (type.id() == Type::DECIMAL32 && lift == 0) {
    return cast(view(values, arrow::int32()), arrow::int64(), column);
  }
  const auto width = static_cast<int64_t>(type.byte_width());
  const auto *bytes =
      values->data()->buffers[1] ? values->data()->buffers[1]->data() + values->offset() * width
                                 : nullptr;
  switch (type.id()) {
    case Type::DECIMAL32:
    case Type::DECIMAL64:
      return as_int64(values, column, problem, [=](int64_t row, int64_t *out) {
        int64_t number = 0;
        if (width == 4) {
          int32_t narrow;
          std::memcpy(&narrow, bytes + row * 4, 4);
          number = narrow;
        } else {
          std::memcpy(&number, bytes + row * 8, 8);
        }
        return lifted(number, out);
      });
    default:
      // Two's complement, little endian: it fits when the upper words repeat the sign.
      return as_int64(values, column, problem, [=](int64_t row, int64_t *out) {
        int64_t words[4];
        std::memcpy(words, bytes + row * width, static_cast<size_t>(width));
        const int64_t sign = words[0] >> 63;
        for (int64_t word = 1; word < width / 8; ++word) {
          if (words[word] != sign) return false;
        }
        return lifted(words[0], out);
      });
  }
}

std::shared_ptr<Array> text(const std::shared_ptr<Array> &values, const std::string &column) {
  switch (values->type_id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
      return values;
    case Type::BINARY:
      return view(values, arrow::utf8());
    case Type::LARGE_BINARY:
      return view(values, arrow::large_utf8());
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW: {
      arrow::LargeStringBuilder builder;
      check(builder.Reserve(values->length()));
      const auto &views = static_cast<const arrow::BinaryViewArray &>(*values);
      for (int64_t row = 0; row < values->length(); ++row) {
        check(views.IsNull(row) ? builder.AppendNull() : builder.Append(views.GetView(row)));
      }
      return take(builder.Finish());
    }
    default:
      return view(cast(values, arrow::binary(), column), arrow::utf8());
  }
}

void check_codes(const arrow::Int32Array &codes, int64_t entries, const std::string &column) {
  const int32_t *values = codes.raw_values();
  // Without a branch per row, so that it runs at memory speed.
  uint32_t highest = 0;
  for (int64_t row = 0; row < codes.length(); ++row) {
    highest = std::max(highest, static_cast<uint32_t>(values[row]));
  }
  if (codes.length() == 0 || static_cast<int64_t>(highest) < entries) return;
  // Codes under missing values may be anything.
  for (int64_t row = 0; row < codes.length(); ++row) {
    if (codes.IsValid(row) && static_cast<int64_t>(static_cast<uint32_t>(values[row])) >= entries) {
      throw Failure{ARROW_BRIDGE_BAD_DATA, "a dictionary code points past its dictionary", column, row};
    }
  }
}

std::shared_ptr<Array> normalize_array(
    const std::shared_ptr<Array> &values, const std::string &column);

std::shared_ptr<Array> dictionary(
    const std::shared_ptr<Array> &values, const std::string &column) {
  const auto &coded = static_cast<const arrow::DictionaryArray &>(*values);
  const auto &type = static_cast<const arrow::DictionaryType &>(*values->type());
  if (!is_text(storage(*type.value_type()).id())) {
    return normalize_array(cast(values, type.value_type(), column), column);
  }
  auto entries = text(coded.dictionary(), column);
  auto codes = coded.indices();
  if (codes->type_id() != Type::INT32) codes = cast(codes, arrow::int32(), column);
  check_codes(static_cast<const arrow::Int32Array &>(*codes), entries->length(), column);
  if (entries->null_count() > 0) {
    // A missing dictionary entry makes its rows missing: plain text says so in one place.
    auto plain = arrow::DictionaryArray::FromArrays(codes, entries);
    return cast(take(plain), entries->type(), column);
  }
  return take(arrow::DictionaryArray::FromArrays(
      arrow::dictionary(arrow::int32(), entries->type()), codes, entries));
}

std::shared_ptr<Array> normalize_array(
    const std::shared_ptr<Array> &values, const std::string &column) {
  switch (values->type_id()) {
    case Type::INT32:
    case Type::INT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DATE32:
    case Type::TIMESTAMP:
      return values;
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::UINT8:
    case Type::UINT16:
      return cast(values, arrow::int32(), column);
    case Type::UINT32:
      return cast(values, arrow::int64(), column);
    case Type::UINT64: {
      const auto &numbers = static_cast<const arrow::UInt64Array &>(*values);
      const auto *raw = numbers.raw_values();
      return as_int64(
          values, column, "the unsigned number does not fit into 64 bits with a sign",
          [raw](int64_t row, int64_t *out) {
            *out = static_cast<int64_t>(raw[row]);
            return raw[row] <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
          });
    }
    case Type::HALF_FLOAT:
      return cast(values, arrow::float32(), column);
    case Type::DATE64:
      return cast(values, arrow::date32(), column);
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return minor_units(values, column);
    case Type::DICTIONARY:
      return dictionary(values, column);
    case Type::EXTENSION:
      return normalize_array(
          static_cast<const arrow::ExtensionArray &>(*values).storage(), column);
    case Type::NA:
      return take(arrow::MakeArrayOfNull(arrow::utf8(), values->length()));
    default:
      if (is_text(values->type_id())) return text(values, column);
      throw Failure{
          ARROW_BRIDGE_UNSUPPORTED, "columns of type " + values->type()->ToString(), column};
  }
}

/// Bytes of text in all chunks, to know whether int32 offsets can hold them.
int64_t text_bytes(const arrow::ChunkedArray &values) {
  int64_t bytes = 0;
  for (const auto &chunk : values.chunks()) {
    if (chunk->type_id() == Type::STRING || chunk->type_id() == Type::BINARY) {
      bytes += static_cast<const arrow::BinaryArray &>(*chunk).total_values_length();
    }
  }
  return bytes;
}

}  // namespace

ArrowBridgeField describe(const arrow::DataType &given) {
  ArrowBridgeField field{};
  const auto &type = storage(given);
  switch (type.id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::UINT8:
    case Type::UINT16:
      field.type = ARROW_BRIDGE_INT32;
      break;
    case Type::INT64:
    case Type::UINT32:
    case Type::UINT64:
      field.type = ARROW_BRIDGE_INT64;
      break;
    case Type::HALF_FLOAT:
    case Type::FLOAT:
      field.type = ARROW_BRIDGE_FLOAT;
      break;
    case Type::DOUBLE:
      field.type = ARROW_BRIDGE_DOUBLE;
      break;
    case Type::DATE32:
    case Type::DATE64:
      field.type = ARROW_BRIDGE_DATE;
      break;
    case Type::TIMESTAMP: {
      const auto &timestamp = static_cast<const arrow::TimestampType &>(type);
      field.type = ARROW_BRIDGE_TIMESTAMP;
      field.unit = static_cast<int32_t>(timestamp.unit());
      field.has_zone = !timestamp.timezone().empty();
      break;
    }
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const auto &decimal = static_cast<const arrow::DecimalType &>(type);
      field.type = ARROW_BRIDGE_DECIMAL;
      field.precision = decimal.precision() - std::min(decimal.scale(), 0);
      field.scale = std::max(decimal.scale(), 0);
      break;
    }
    case Type::DICTIONARY: {
      const auto &value = *static_cast<const arrow::DictionaryType &>(type).value_type();
      return describe(value);
    }
    case Type::NA:
      field.type = ARROW_BRIDGE_NULL;
      break;
    default:
      field.type = is_text(type.id()) ? ARROW_BRIDGE_STRING : ARROW_BRIDGE_UNREADABLE;
  }
  return field;
}

std::shared_ptr<Array> normalize(
    const std::shared_ptr<arrow::ChunkedArray> &values, const std::string &column) {
  if (values->num_chunks() == 1) return normalize_array(values->chunk(0), column);
  if (values->num_chunks() == 0) {
    return normalize_array(take(arrow::MakeEmptyArray(values->type())), column);
  }
  arrow::ArrayVector chunks = values->chunks();
  if (text_bytes(*values) > longest_utf8) {
    for (auto &chunk : chunks) chunk = cast(text(chunk, column), arrow::large_utf8(), column);
  }
  return normalize_array(take(arrow::Concatenate(chunks)), column);
}

void export_columns(
    const std::vector<std::shared_ptr<Array>> &columns,
    const std::vector<std::shared_ptr<arrow::Field>> &fields, int64_t rows, ArrowArray *out,
    ArrowSchema *out_schema) {
  std::vector<std::shared_ptr<arrow::Field>> types;
  for (size_t index = 0; index < columns.size(); ++index) {
    types.push_back(arrow::field(fields[index]->name(), columns[index]->type()));
  }
  const auto batch = arrow::RecordBatch::Make(arrow::schema(types), rows, columns);
  check(arrow::ExportRecordBatch(*batch, out, out_schema));
}

}  // namespace bridge

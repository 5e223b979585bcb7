import Columnar
import Foundation

/// A value as text that is the same from Python (`python` below): integers, days, ticks and minor
/// units as integers, floating point as the bits of a double, text as hexadecimal bytes.
func rendered(_ column: Column, _ row: Int) -> String {
  guard !column.isMissing(row) else { return "missing" }
  func hexadecimal(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    "x" + bytes.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined()
  }
  switch column.values {
  case .int32(let values), .date(let values): return "\(values[row])"
  case .int64(let values), .timestamp(let values, _, _), .decimal(let values, _, _):
    return "\(values[row])"
  case .float(let values): return "\(Double(values[row]).bitPattern)"
  case .double(let values): return "\(values[row].bitPattern)"
  case .strings(let strings): return hexadecimal(strings[row])
  case .dictionary(let codes, let strings): return hexadecimal(strings[Int(codes[row])])
  }
}

/// The rows of a source in order, one line each, values separated by spaces.
func rows(of source: any Source, columns: [Int]? = nil) throws -> [String] {
  let columns = columns ?? Array(source.schema.fields.indices)
  return try batches(of: source, columns: columns).flatMap { batch in
    (0..<batch.rows).map { row in
      batch.columns.map { rendered($0, row) }.joined(separator: " ")
    }
  }
}

func batches(of source: any Source, columns: [Int]) throws -> [RecordBatch] {
  var batches: [RecordBatch] = []
  while let piece = try source.next(columns: columns) { batches.append(try piece.decode()) }
  return batches
}

/// Python functions that the scripts of this suite share: `lines(table)` renders a pyarrow table as
/// ``rendered(_:_:)`` does.
let python = """
  import sys, struct, datetime, decimal
  import pyarrow as pa, pyarrow.parquet as pq

  def line(value, type):
      if value is None: return 'missing'
      if pa.types.is_dictionary(type): return line(value, type.value_type)
      if pa.types.is_floating(type): return str(struct.unpack('<Q', struct.pack('<d', float(value)))[0])
      if pa.types.is_boolean(type) or pa.types.is_integer(type): return str(int(value))
      if pa.types.is_decimal(type): return str(int(value.scaleb(max(type.scale, 0), decimal.Context(prec=80))))
      if pa.types.is_date(type): return str((value - datetime.date(1970, 1, 1)).days)
      raw = value if isinstance(value, bytes) else value.encode()
      return 'x' + raw.hex()

  def cells(array):
      if pa.types.is_timestamp(array.type):
          ticks = array.cast(pa.int64())
          return ['missing' if v is None else str(v) for v in ticks.to_pylist()]
      return [line(v, array.type) for v in array.to_pylist()]

  def lines(table):
      columns = [cells(c) for c in table.columns]
      return '\\n'.join(' '.join(row) for row in zip(*columns))
  """

/// The error a body throws, for tests that look at its parts.
func inputError(_ body: () throws -> Void) -> InputError? {
  do {
    try body()
    return nil
  } catch { return error as? InputError }
}

package struct DateFormat: Sendable, Equatable { package static let automatic = DateFormat() }
package struct DecimalFormat: Sendable, Equatable { package static let automatic = DecimalFormat() }
package struct ParseFailure: Sendable { package var row: Int; package var isMissing: Bool; package var isNotFinite: Bool; package var text: String?
 package func error(in batch: RecordBatch, column: String) -> InputError { InputError(.badData, "bad", file: batch.origin.file, line: batch.origin.place(of: row), column: column) } }
package struct ParsedColumn<T: BitwiseCopyable & Sendable>: Sendable { package var values: Buffer<T>; package var failures: [ParseFailure] }
extension Column {
  func miss() -> [ParseFailure] { validity == nil ? [] : (0..<count).filter { isMissing($0) }.map { ParseFailure(row: $0, isMissing: true, isNotFinite: false, text: nil) } }
  package func days(_ f: DateFormat) -> ParsedColumn<Int32> { if case .date(let d) = values { return ParsedColumn(values: d, failures: miss()) }; preconditionFailure() }
  package func minorUnits(_ f: DecimalFormat, scale: Int) -> ParsedColumn<Int64> { if case .decimal(let d, _, _) = values { return ParsedColumn(values: d, failures: miss()) }
   if case .int64(let d) = values { return ParsedColumn(values: d, failures: miss()) }; preconditionFailure() }
  package func finiteDoubles(_ f: DecimalFormat) -> ParsedColumn<Double> { if case .double(let d) = values { return ParsedColumn(values: d, failures: miss()) }; preconditionFailure() }
  package func doubles(_ f: DecimalFormat) -> ParsedColumn<Double> { finiteDoubles(f) }
}
extension DateFormat { package init(_ s: String) throws {} }
extension DecimalFormat { package enum Mark { case comma, point }; package init(decimalMark: Mark) {} }

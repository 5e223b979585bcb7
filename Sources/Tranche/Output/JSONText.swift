import Foundation

/// How everything of ours is written as JSON: snake_case, sorted keys, numbers that round-trip, so
/// that equal values are equal bytes.
package enum JSONText {
  package static func encode(_ value: some Encodable, pretty: Bool = true) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      : [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // JSON has no such numbers; a reader sees the words.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try encoder.encode(value)
    } catch {
      throw RunFailure(.bug, "a result could not be written as JSON: \(error)")
    }
  }

  package static func decode<Value: Decodable>(
    _ type: Value.Type, from data: Data, file: String
  ) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try decoder.decode(type, from: data)
    } catch DecodingError.keyNotFound(let key, _) {
      throw RunFailure(.badData, "has no entry \"\(key.stringValue)\"", hint: Self.hint, file: file)
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context)
    {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw RunFailure(.badData, "has an unexpected value at \(path)", hint: Self.hint, file: file)
    } catch {
      throw RunFailure(.badData, "is not complete JSON", hint: Self.hint, file: file)
    }
  }

  private static let hint = "it must be a file that this program wrote, unchanged"
}

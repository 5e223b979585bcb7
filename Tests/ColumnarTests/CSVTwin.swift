/// What a CSV file's rows are, read byte by byte with nothing clever: the twin that the block parser
/// is held against.
struct CSVTwin {
  struct Row: Equatable {
    var line: Int64
    /// Nil when the row has the wrong shape.
    var fields: [String]?
  }

  var delimiter = UInt8(ascii: ",")
  var comment: UInt8?
  var longest = 1 << 20
  let columns: Int

  func rows(_ text: [UInt8], firstLine: Int64 = 1) -> [Row] {
    var rows: [Row] = []
    var place = 0
    var line = firstLine
    func isEnd(_ index: Int) -> Bool { text[index] == 10 || text[index] == 13 }
    func skipLineEnd() {
      guard place < text.count else { return }
      if text[place] == 13, place + 1 < text.count, text[place + 1] == 10 { place += 1 }
      place += 1
      line += 1
    }
    while place < text.count {
      if let comment, text[place] == comment {
        while place < text.count, !isEnd(place) { place += 1 }
        skipLineEnd()
        continue
      }
      if isEnd(place) {
        skipLineEnd()
        continue
      }
      let start = line
      var fields: [[UInt8]] = []
      var isGood = true
      repeat {
        if !fields.isEmpty { place += 1 }
        var field: [UInt8] = []
        if place < text.count, text[place] == 34, let close = closing(text, place) {
          var index = place + 1
          while index < close {
            field.append(text[index])
            index += text[index] == 34 ? 2 : 1
          }
          var inside = text[(place + 1)..<close]
          while let end = inside.firstIndex(where: { $0 == 10 || $0 == 13 }) {
            line += 1
            let isPair = text[end] == 13 && end + 1 < close && text[end + 1] == 10
            inside = inside[(end + (isPair ? 2 : 1))...]
          }
          place = close + 1
          if place < text.count, text[place] != delimiter, !isEnd(place) { isGood = false }
          while place < text.count, text[place] != delimiter, !isEnd(place) { place += 1 }
        } else {
          while place < text.count, text[place] != delimiter, !isEnd(place) {
            if text[place] == 34 { isGood = false }
            field.append(text[place])
            place += 1
          }
          if field.count > longest { isGood = false }
        }
        fields.append(field)
      } while place < text.count && text[place] == delimiter
      skipLineEnd()
      isGood = isGood && fields.count == columns
      rows.append(
        Row(
          line: start, fields: isGood ? fields.map { String(decoding: $0, as: UTF8.self) } : nil))
    }
    return rows
  }

  private func closing(_ text: [UInt8], _ mark: Int) -> Int? {
    var index = mark + 1
    while index < text.count {
      if text[index] != 34 {
        index += 1
      } else if index + 1 < text.count, text[index + 1] == 34 {
        index += 2
      } else {
        return index - mark - 1 > longest ? nil : index
      }
    }
    return nil
  }
}

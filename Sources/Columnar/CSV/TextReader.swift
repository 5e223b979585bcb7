import CArrowBridge
import Glibc

/// The bytes of a text file as UTF-8: decompressed, transcoded, without a byte order mark.
final class TextReader {
  /// The encoding the bytes are transcoded from, as iconv names it; nil for UTF-8.
  private(set) var encoding: String?
  /// Whether the file began with a byte order mark.
  private(set) var hadMark = false

  private let context: BridgeContext
  private let handle: OpaquePointer
  private var head: [UInt8] = []
  private var transcoder: Transcoder?
  private var reachedEnd = false

  /// - Throws: ``InputError`` for a file that is not there, is no text, or an unknown encoding.
  init(path: String, options: CSVOptions) throws {
    let compression = FileFormat.named(path)?.compression ?? .none
    let codec =
      switch compression {
      case .gzip: ARROW_BRIDGE_GZIP
      case .zstd: ARROW_BRIDGE_ZSTD
      case .none: ARROW_BRIDGE_BY_CONTENT
      }
    let format = compression == .none ? "text" : compression.rawValue
    let context = BridgeContext(file: path, format: format)
    self.context = context
    let opened = try context.call {
      arrow_bridge_bytes_open(path, Int32(codec.rawValue), options.decompressedLimit, $0)
    }
    guard let opened else { preconditionFailure("the bridge opens a file or says why not") }
    handle = opened
    encoding = options.encoding
    try readMark()
    if let name = encoding { transcoder = try Transcoder(from: name, file: path) }
  }

  deinit { arrow_bridge_bytes_close(handle) }

  /// Whether every byte has been read.
  var isAtEnd: Bool { transcoder?.isDone ?? (reachedEnd && head.isEmpty) }

  /// Fills `target` (but for up to seven bytes) unless the end comes first.
  func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
    if let transcoder {
      return try transcoder.read(into: target) { try self.raw(into: $0) }
    }
    return try raw(into: target)
  }

  private func raw(into target: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    if !head.isEmpty {
      filled = min(head.count, target.count)
      target.copyBytes(from: head.prefix(filled))
      head.removeFirst(filled)
    }
    guard filled < target.count, !reachedEnd, let base = target.baseAddress else { return filled }
    let got = try context.call {
      arrow_bridge_bytes_read(handle, base + filled, Int64(target.count - filled), $0)
    }
    if got < Int64(target.count - filled) { reachedEnd = true }
    return filled + Int(got)
  }

  private func readMark() throws {
    let sample = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 8)
    defer { sample.deallocate() }
    let bytes = Array(sample.prefix(try raw(into: sample)))
    let marks: [(mark: [UInt8], encoding: String?)] = [
      ([0xEF, 0xBB, 0xBF], nil), ([0xFF, 0xFE], "UTF-16LE"), ([0xFE, 0xFF], "UTF-16BE"),
    ]
    head = bytes
    guard let found = marks.first(where: { bytes.starts(with: $0.mark) }) else { return }
    // A mark beats a declaration: "UTF-16" declared for a file with a mark means that mark.
    if found.encoding != nil || encoding == nil || encoding?.uppercased() == "UTF-8" {
      encoding = found.encoding
      head.removeFirst(found.mark.count)
      hadMark = true
    }
  }
}

/// iconv, fed block by block.
private final class Transcoder {
  private let file: String
  private let name: String
  private let descriptor: iconv_t
  private var input: UnsafeMutableRawBufferPointer
  private var held = 0
  /// Bytes of the file before `input`.
  private var consumed: Int64 = 0
  private var atEnd = false
  var isDone: Bool { atEnd && held == 0 }

  init(from name: String, file: String) throws {
    self.name = name
    self.file = file
    guard let opened = iconv_open("UTF-8", name), Int(bitPattern: opened) != -1 else {
      throw InputError(
        .usage, "the encoding \(name) is not known", file: file,
        hint: "`iconv --list` shows the names this machine knows")
    }
    descriptor = opened
    input = .allocate(byteCount: 1 << 20, alignment: 64)
  }

  deinit {
    iconv_close(descriptor)
    input.deallocate()
  }

  func read(
    into target: UnsafeMutableRawBufferPointer,
    from raw: (UnsafeMutableRawBufferPointer) throws -> Int
  ) throws -> Int {
    var filled = 0
    // One character needs at most four bytes of UTF-8 here; less room than that is left alone.
    while target.count - filled >= 8 {
      if held == 0 || !atEnd {
        let got = try raw(UnsafeMutableRawBufferPointer(rebasing: input[held...]))
        held += got
        if got == 0 { atEnd = true }
      }
      if held == 0 { break }
      let (taken, put, isIncomplete) = try convert(target, from: filled)
      filled += put
      consumed += Int64(taken)
      held -= taken
      if let start = input.baseAddress { memmove(start, start + taken, held) }
      if isIncomplete && atEnd { throw unreadable("ends in the middle of a character", at: 0) }
      if taken == 0 && put == 0 && !isIncomplete { break }
    }
    return filled
  }

  private func convert(
    _ target: UnsafeMutableRawBufferPointer, from filled: Int
  ) throws -> (taken: Int, put: Int, isIncomplete: Bool) {
    var source = input.baseAddress?.assumingMemoryBound(to: CChar.self)
    var sourceLeft = held
    var place = (target.baseAddress.map { $0 + filled })?.assumingMemoryBound(to: CChar.self)
    var placeLeft = target.count - filled
    let result = iconv(descriptor, &source, &sourceLeft, &place, &placeLeft)
    let failure = errno
    let failed = Int(bitPattern: UInt.max)
    let taken = held - sourceLeft
    if result == failed && failure == EILSEQ { throw unreadable("is not \(name)", at: taken) }
    return (taken, target.count - filled - placeLeft, result == failed && failure == EINVAL)
  }

  private func unreadable(_ what: String, at offset: Int) -> InputError {
    InputError(
      .badData, "the text \(what) at byte \(consumed + Int64(offset))", file: file,
      hint: "declare the file's encoding")
  }
}

import CArrowBridge

/// Memory that decoding keeps to use again.
package enum FileMemory {
  /// Gives it back to the system; worth calling when a long reading is over.
  package static func release() { arrow_bridge_release_memory() }
}

/// The library behind Parquet and Arrow IPC.
package enum ArrowLibrary {
  package static var version: String { String(cString: arrow_bridge_version()) }
}

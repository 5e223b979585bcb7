import Foundation

/// Which kernel is fastest for which shape of table: what `tranche bench` found on one server.
///
/// For a shape that was not measured the nearest one counts, by |log₂(d/d′)| + |log₂(k/k′)|, the first
/// of several. A processor without the fastest set takes the fastest of those it has. Labels do not
/// depend on the kernel, so a rule changes nothing but time.
package struct KernelRule: Sendable, Hashable {
  package struct Shape: Sendable, Hashable {
    package let columns: Int
    package let clusters: Int
    /// Sets by name, fastest first.
    package let kernels: [String]

    package init(_ columns: Int, _ clusters: Int, _ kernels: [String]) {
      self.columns = columns
      self.clusters = clusters
      self.kernels = kernels
    }
  }

  package let shapes: [Shape]

  package init(_ shapes: [Shape]) { self.shapes = shapes }

  /// The sets for a shape, fastest first.
  package func kernels(columns d: Int, k: Int) -> [String] {
    func distance(_ shape: Shape) -> Double {
      abs(log2(Double(d) / Double(shape.columns))) + abs(log2(Double(k) / Double(shape.clusters)))
    }
    return shapes.min { distance($0) < distance($1) }?.kernels ?? []
  }

  /// The rule of what `tranche bench --json` printed.
  ///
  /// - Throws: `DecodingError` where `record` is not such a text; ``Empty`` where no kernel was timed.
  package init(record: Data) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let timings = try decoder.decode(Record.self, from: record).kernels
    guard !timings.isEmpty, timings.allSatisfy({ $0.columns >= 1 && $0.clusters >= 1 }) else {
      throw Empty()
    }
    var shapes: [[Record.Timing]] = []
    for timing in timings {
      let place = shapes.firstIndex {
        $0[0].columns == timing.columns && $0[0].clusters == timing.clusters
      }
      if let place { shapes[place].append(timing) } else { shapes.append([timing]) }
    }
    self.init(
      shapes.map { timings in
        Shape(
          timings[0].columns, timings[0].clusters,
          timings.sorted { ($0.seconds.median, $0.kernel) < ($1.seconds.median, $1.kernel) }
            .map(\.kernel))
      })
  }

  package struct Empty: Error {}

  /// What a rule needs of `tranche.bench.v1`.
  private struct Record: Decodable {
    struct Timing: Decodable {
      struct Seconds: Decodable { let median: Double }
      let columns: Int
      let clusters: Int
      let kernel: String
      let seconds: Seconds
    }
    let kernels: [Timing]
  }
}

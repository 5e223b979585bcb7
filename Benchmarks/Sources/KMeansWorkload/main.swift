// Times Tranche's clustering on the arrays its peers get, and prints one JSON object.
//
//   kmeans-workload FILE ROWS COLUMNS CLUSTERS iterate|fit|assign [REPETITIONS] [THREADS]
//
// FILE holds float32: ROWS × COLUMNS values row after row, then CLUSTERS × COLUMNS starting
// centroids. Each repetition lays the values out anew; `seconds` is one entry a repetition.
import Foundation
import Tranche

struct Report: Encodable {
  var seconds: [Double] = []
  var layoutSeconds: [Double] = []
  var kernel = ""
  var iterations = 0
  var inertia: [Double] = []
  var recheckRate = 0.0
}

struct Usage: Error, CustomStringConvertible {
  let description: String
}

func timed<Result>(_ work: () throws -> Result) rethrows -> (Result, Double) {
  let began = ContinuousClock.now
  let result = try work()
  return (result, (ContinuousClock.now - began) / .seconds(1))
}

func read(_ path: String, floats: Int) throws -> [Float] {
  guard let file = fopen(path, "rb") else { throw Usage(description: "\(path) cannot be read") }
  defer { fclose(file) }
  let values = [Float](unsafeUninitializedCapacity: floats) { buffer, count in
    count = fread(buffer.baseAddress, MemoryLayout<Float>.size, floats, file)
  }
  guard values.count == floats else {
    throw Usage(description: "\(path) holds \(values.count) values, \(floats) are needed")
  }
  return values
}

func run(_ arguments: [String]) throws -> Report {
  guard arguments.count >= 6, let rows = Int(arguments[2]), let columns = Int(arguments[3]),
    let clusters = Int(arguments[4]), rows > 0, columns > 0, clusters > 0
  else {
    throw Usage(
      description: "usage: kmeans-workload FILE ROWS COLUMNS CLUSTERS iterate|fit|assign "
        + "[REPETITIONS] [THREADS]")
  }
  let repetitions = arguments.count > 6 ? Int(arguments[6]) ?? 1 : 1
  let threads = arguments.count > 7 ? Int(arguments[7]) : nil
  let values = try read(arguments[1], floats: (rows + clusters) * columns)
  let start = values[(rows * columns)...].map(Double.init)
  var report = Report()
  try values.withUnsafeBufferPointer { values in
    let table = UnsafeBufferPointer(rebasing: values[..<(rows * columns)])
    for repetition in 0..<repetitions {
      let workload = try ClusteringWorkload(
        rowMajor: table, columns: columns, start: start, threads: threads)
      report.layoutSeconds.append(workload.layoutSeconds)
      switch arguments[5] {
      case "assign":
        let (rate, seconds) = try timed { try workload.assign() }
        report.recheckRate = rate
        report.seconds.append(seconds)
      case "iterate", "fit":
        let (fit, seconds) = try timed {
          try arguments[5] == "fit"
            ? workload.fit(seed: UInt64(repetition)) : workload.iterate(20)
        }
        report.seconds.append(workload.layoutSeconds + seconds)
        report.kernel = fit.kernel
        report.iterations = fit.iterations
        report.inertia.append(fit.inertia)
        report.recheckRate = fit.recheckRate
      default: throw Usage(description: "\(arguments[5]) is no mode: iterate, fit or assign")
      }
    }
  }
  return report
}

do {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  print(String(decoding: try encoder.encode(run(CommandLine.arguments)), as: UTF8.self))
} catch {
  FileHandle.standardError.write(Data("kmeans-workload: \(error)\n".utf8))
  exit(64)
}

import Foundation
import TestSupport

/// A headless Chromium that reads a page as a person would; see `browser.py`.
enum Browser {
  static let executable = [
    "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
  ]
  .first { FileManager.default.isExecutableFile(atPath: $0) }
  static var isInstalled: Bool { executable != nil }

  enum Action {
    /// The value of a JavaScript expression, as text.
    case evaluate(String)
    case move(Double, Double)
    case click(Double, Double)
    case drag([(Double, Double)])
    case key(String)
    case size(Int, Int)
    /// Waits until a file of that name has been saved.
    case download(String)

    var json: [String: Any] {
      switch self {
      case .evaluate(let expression): ["evaluate": "Promise.resolve(\(expression)).then(String)"]
      case .move(let x, let y): ["move": [x, y]]
      case .click(let x, let y): ["click": [x, y]]
      case .drag(let path): ["drag": path.map { [$0.0, $0.1] }]
      case .key(let name): ["key": name]
      case .size(let width, let height): ["size": [width, height]]
      case .download(let name): ["download": name]
      }
    }
  }

  struct Record: Decodable {
    /// One per action, nil where an action has no value.
    let values: [String?]
    let console: [String]
    let requests: [String]
    let files: [String: Data]

    /// The values of the expressions, in order.
    var answers: [String] { values.compactMap { $0 } }
  }

  static func read(_ page: [UInt8], _ actions: [Action]) throws -> Record {
    let folder = try TemporaryFolder()
    let file = folder.url.appendingPathComponent("report.html")
    try Data(page).write(to: file)
    let script = Repository.root.appendingPathComponent("Tests/ReportingTests/browser.py")
    let result = try Shell.run(
      Repository.python, [script.path, file.path],
      environment: ["CHROMIUM": executable ?? "chromium"],
      input: JSONSerialization.data(withJSONObject: actions.map(\.json)))
    guard result.status == 0 else { throw Failed(errors: result.errors) }
    return try JSONDecoder().decode(Record.self, from: Data(result.output.utf8))
  }

  struct Failed: Error, CustomStringConvertible {
    let errors: String
    var description: String { errors }
  }
}

import Foundation
import Tranche

/// Shows how far long work has come, on stderr: a bar on a terminal after two seconds, else a line
/// every ten.
final class ProgressMeter {
  private let mode: ProgressMode
  private let isTerminal = isatty(STDERR_FILENO) != 0
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?
  private var stage = ""
  private var stageStart = ContinuousClock.now
  private var drawn = false

  init(mode: ProgressMode) { self.mode = mode }

  func update(_ progress: RunProgress) {
    guard mode != .never else { return }
    let now = ContinuousClock.now
    if progress.stage != stage {
      stage = progress.stage
      stageStart = now
    }
    let drawsBar = isTerminal || mode == .always
    let patience: Duration = mode == .always ? .zero : .seconds(2)
    guard now - start > patience else { return }
    if let lastShown, now - lastShown < (drawsBar ? .milliseconds(100) : .seconds(10)) { return }
    if !drawsBar, lastShown == nil, now - start < .seconds(10) { return }
    lastShown = now
    let line = describe(progress, elapsed: now - stageStart)
    if drawsBar, isTerminal {
      StandardError.write("\r\u{1b}[K\(line)")
      drawn = true
    } else {
      StandardError.write(line + "\n")
    }
  }

  /// Clears the bar.
  func finish() {
    if drawn { StandardError.write("\r\u{1b}[K") }
    drawn = false
  }

  private func describe(_ progress: RunProgress, elapsed: Duration) -> String {
    var parts = [progress.stage.padding(toLength: 12, withPad: " ", startingAt: 0)]
    let seconds =
      Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    if let total = progress.total, total > 0 {
      let share = min(1, Double(progress.done) / Double(total))
      let filled = Int(share * 24)
      parts.append(
        "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 24 - filled)
          + "]")
      parts.append("\(Int(share * 100)) %")
      if share > 0.02, seconds > 0.5 {
        parts.append("\(Int((seconds / share - seconds).rounded(.up))) s left")
      }
    }
    if progress.done > 0, progress.unit == "rows", seconds > 0.2 {
      parts.append("\(Int(Double(progress.done) / seconds / 1000)) k rows/s")
    }
    if let note = progress.note { parts.append(note) }
    return parts.joined(separator: "  ")
  }
}

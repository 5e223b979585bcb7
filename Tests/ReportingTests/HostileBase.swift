import Columnar
import Segments

@testable import Reporting

/// A base in which every text that can come from outside tries to become markup or script.
struct HostileBase {
  static let image = "\"><img src=x onerror=pwned=1>"
  static let script = "</script><script>pwned=2</script>"
  static let drawing = "'><svg onload=pwned=3>"
  static let separators = "line\u{2028}and\u{2029}paragraph \\ \u{0}\u{1b}[31m]]>"

  var content: ReportContent

  init() {
    var base = SyntheticBase(customers: 40, segments: 2)
    base.columns.identifiers = Column(
      .strings(Strings((0..<40).map { "\(Self.image)\($0)\(Self.separators)" })))
    base.columns.tiers!.names = [Self.script, Self.image, Self.drawing]
    base.columns.x.name = Self.drawing
    base.profile.segments[0].name = Self.script
    base.profile.segments[1].name = Self.image
    base.profile.segments[0].id = Self.drawing
    base.profile.featureNames[0] = Self.image
    base.profile.featureNames[1] = Self.drawing
    base.profile.featureNames[2] = Self.script
    content = base.fullContent
    content.offerTexts = ["gold_card": Self.script, "cashback": Self.drawing]
    content.run.id = Self.image
    content.run.asOf = Self.script
    content.run.modelID = Self.drawing
    content.run.previousID = Self.separators
    content.run.currency = Self.script
    content.run.warnings = [Self.image, Self.script, Self.separators]
    content.rows!.quarantined[0].name = Self.image
    content.rows!.excluded[0].name = Self.script
    content.clusterSelection!.reason = Self.image
    content.reproduction!.command = "tranche '\(Self.drawing)' \(Self.separators)"
    content.reproduction!.inputs[0].path = Self.script
    content.reproduction!.versions[0] = (Self.image, Self.script)
    content.migration!.previous[0].name = Self.image
    content.migration!.current[1].name = Self.script
  }
}

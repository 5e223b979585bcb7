/// How a segment looks everywhere in the page: one of ten colours that colour-blind readers can
/// tell apart (after Okabe & Ito, 2008) and one of five shapes. Fifty segments differ; more repeat.
struct Mark {
  static let colours = 10
  static let shapes = 5

  let colour: Int
  let shape: Int

  init(_ label: Int) {
    colour = label % Self.colours
    shape = (label + label / Self.colours) % Self.shapes
  }

  /// The shape around a point of an SVG picture.
  func svg(_ x: Double, _ y: Double, radius r: Double) -> HTML {
    switch shape {
    case 0: "<circle class=\"c\(colour)\" cx=\"\(x)\" cy=\"\(y)\" r=\"\(r)\"/>"
    case 1:
      "<rect class=\"c\(colour)\" x=\"\(x - r * 0.9)\" y=\"\(y - r * 0.9)\" width=\"\(r * 1.8)\" height=\"\(r * 1.8)\"/>"
    case 2:
      "<path class=\"c\(colour)\" d=\"M\(x) \(y - r * 1.2)L\(x + r * 1.1) \(y + r * 0.9)H\(x - r * 1.1)Z\"/>"
    case 3:
      "<path class=\"c\(colour)\" d=\"M\(x) \(y - r * 1.3)L\(x + r * 1.3) \(y)L\(x) \(y + r * 1.3)L\(x - r * 1.3) \(y)Z\"/>"
    default:
      "<path class=\"c\(colour)\" d=\"M\(x - r * 0.45) \(y - r * 1.2)h\(r * 0.9)v\(r * 0.75)h\(r * 0.75)v\(r * 0.9)h\(-r * 0.75)v\(r * 0.75)h\(-r * 0.9)v\(-r * 0.75)h\(-r * 0.75)v\(-r * 0.9)h\(r * 0.75)Z\"/>"
    }
  }

  /// A picture of its own beside a name; readers of the page hear the name.
  var icon: HTML {
    "<svg class=\"mark\" viewBox=\"0 0 14 14\" aria-hidden=\"true\">\(svg(7, 7, radius: 4.6))</svg>"
  }
}

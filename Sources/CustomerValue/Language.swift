/// Languages that names are given in.
package enum Language: String, CaseIterable, Codable, Sendable, Hashable {
  case english = "en"
  case turkish = "tr"
  case russian = "ru"
  case chinese = "zh"
}

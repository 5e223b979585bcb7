// How Arrow's statuses and exceptions become `ArrowBridgeError`.
#pragma once

#include <arrow/api.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "CArrowBridge.h"

namespace bridge {

/// Thrown inside the bridge only: `guarded` catches it.
struct Failure {
  int32_t kind;
  std::string message;
  std::string column;
  int64_t row = -1;
  /// Of databases.
  int32_t status = 0;
  std::string sqlstate = {};
};

/// Where an error happened decides what an errno means: a missing folder is "not found" to a
/// reader and "cannot create" to a writer.
enum class Doing { reading, creating, writing };

Failure failure_from(const arrow::Status &status, Doing doing);

inline void check(const arrow::Status &status, Doing doing = Doing::reading) {
  if (!status.ok()) throw failure_from(status, doing);
}

template <typename Value>
Value take(arrow::Result<Value> result, Doing doing = Doing::reading) {
  check(result.status(), doing);
  return std::move(result).ValueUnsafe();
}

/// Runs `body`; whatever is thrown fills `error`. Returns whether nothing was thrown.
bool guarded(ArrowBridgeError *error, Doing doing, const std::function<void()> &body) noexcept;

}  // namespace bridge

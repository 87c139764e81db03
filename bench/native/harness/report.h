// What a bench found, as one JSON document on standard output: {"rows": [...]}. Names and units are
// plain ASCII without quotes, so nothing is escaped.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/native/harness/measure.h"
#include "native/base/status.h"

namespace millrace::bench {

class Row {
 public:
  explicit Row(const std::string& name) : name_(name) {}

  Row& Param(const char* name, const std::string& value) {
    AddTo(&params_, name, "\"" + value + "\"");
    return *this;
  }

  Row& Param(const char* name, uint64_t value) {
    AddTo(&params_, name, base::Format("%" PRIu64, value));
    return *this;
  }

  // The figure: the median of the repetitions, and how far they lie apart.
  Row& Value(const Series& series, const char* unit) {
    value_ = base::Format(
        "\"value\":%.6g,\"low\":%.6g,\"high\":%.6g,\"repetitions\":%zu,"
        "\"unit\":\"%s\"",
        series.Median(), series.Lowest(), series.Highest(), series.size(), unit);
    return *this;
  }

  Row& Value(double value, const char* unit) {
    Series one;
    one.Add(value);
    return Value(one, unit);
  }

  // What the machine allows, measured in the same run.
  Row& Limit(const char* name, double value, const char* unit) {
    limit_ = base::Format(",\"limit\":{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}", name,
                          value, unit);
    return *this;
  }

  // A figure beside the figure.
  Row& Info(const char* name, double value) {
    AddTo(&info_, name, base::Format("%.6g", value));
    return *this;
  }

  // What proves that the work was done: a count or a hash.
  Row& Check(const std::string& text) {
    check_ = text;
    return *this;
  }

  std::string Json() const {
    return "{\"name\":\"" + name_ + "\",\"params\":{" + params_ + "}," + value_ + limit_ +
           ",\"info\":{" + info_ + "},\"check\":\"" + check_ + "\"}";
  }

 private:
  static void AddTo(std::string* fields, const char* name, const std::string& value) {
    *fields += (fields->empty() ? "\"" : ",\"") + std::string(name) + "\":" + value;
  }

  std::string name_;
  std::string params_;
  std::string value_;
  std::string limit_;
  std::string info_;
  std::string check_;
};

class Report {
 public:
  void Add(const Row& row) { rows_.push_back(row.Json()); }

  void Print() const {
    std::printf("{\"rows\":[");
    for (size_t i = 0; i < rows_.size(); ++i) {
      std::printf("%s\n%s", i == 0 ? "" : ",", rows_[i].c_str());
    }
    std::printf("\n]}\n");
  }

 private:
  std::vector<std::string> rows_;
};

}  // namespace millrace::bench

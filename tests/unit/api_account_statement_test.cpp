#include "coffer/api/csv.hpp"
#include "coffer/api/endpoints/account_statement.hpp"
#include "support/catch.hpp"

namespace api_statement_test {

using namespace coffer::api;

namespace {

std::string field(std::string_view text) {
  std::string out;
  csv_writer{out}.text(text);
  return out;
}

}  // namespace

TEST_CASE("a CSV field is quoted when it has a comma, a quote or a line break") {
  CHECK(field("plain text") == "plain text");
  CHECK(field("a,b") == "\"a,b\"");
  CHECK(field("say \"no\"") == "\"say \"\"no\"\"\"");
  CHECK(field("two\nlines") == "\"two\nlines\"");
  CHECK(field("") == "");
}

TEST_CASE("a CSV field that a spreadsheet would run is neutralised") {
  CHECK(field("=1+1") == "'=1+1");
  CHECK(field("+1") == "'+1");
  CHECK(field("-1") == "'-1");
  CHECK(field("@sum") == "'@sum");
  CHECK(field("\t=1") == "'\t'=1");
  CHECK(field("\r=1") == "\"'\r'=1\"");
  CHECK(field("=a,\"b\"") == "\"'=a,\"\"b\"\"\"");
  CHECK(field("a=1") == "a=1");
}

TEST_CASE("a formula behind what a spreadsheet takes for the end of a cell is neutralised") {
  for (const std::string end : {";", "\t", "|", "\n", "\r", "\r\n", ";;"}) {
    for (const std::string sign : {"=", "+", "-", "@", "\uFF1D", "\uFF0B", "\uFF0D", "\uFF20"}) {
      for (const std::string between : {"", " ", "\"", " \" "}) {
        CAPTURE(end, sign, between);
        std::string cell = field("text" + end + between + sign + "1");
        // As a reader sees it that knows no quotes in the middle of a cell.
        cell = cell.substr(cell.rfind(end.back()) + 1);
        CHECK(cell.starts_with('\''));
      }
    }
  }
  CHECK(field("a;b = 1; c-d") == "a;b = 1; c-d");
  CHECK(field(" =1") == "' =1");
  CHECK(field("\uFF1D1") == "'\uFF1D1");
}

TEST_CASE("CSV records end with CRLF and numbers stay numbers") {
  std::string out;
  csv_writer csv{out};
  csv.number(-5);
  csv.empty();
  csv.text("x");
  csv.end_record();
  csv.empty();
  csv.number(7);
  csv.end_record();
  CHECK(out == "-5,,x\r\n,7\r\n");
}

TEST_CASE("Accept chooses CSV only when it is named and not below JSON") {
  CHECK(accepted_format("text/csv") == account_statement_format::csv);
  CHECK(accepted_format("application/json;q=0.5, Text/CSV ; q=0.9") == account_statement_format::csv);
  CHECK(accepted_format("text/csv;header=present;q=0.3, application/json;q=0.2") == account_statement_format::csv);
  CHECK(accepted_format("text/csv;q=0.5, application/json") == account_statement_format::json);
  CHECK(accepted_format("text/csv;q=0") == account_statement_format::json);
  CHECK(accepted_format("text/csv2, */*") == account_statement_format::json);
  CHECK(accepted_format(" , ;;") == account_statement_format::json);
  CHECK(accepted_format("") == account_statement_format::json);
}

}  // namespace api_statement_test

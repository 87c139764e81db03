import { describe, expect, it } from 'vitest'
import { functionsOf } from './cpp-scan.ts'
import { filesWith } from './source-tree.ts'

const functionLinesMax = 70

describe('functions in C++', () => {
  it(`have at most ${functionLinesMax} lines`, () => {
    const all = filesWith('.cc', '.h').flatMap((file) =>
      functionsOf(file.text).map((span) => ({ ...span, path: file.path })),
    )
    const long = all.filter((span) => span.lineCount > functionLinesMax)
    expect(all.length).toBeGreaterThan(50)
    expect(long.map((it) => `${it.path}:${it.firstLine} ${it.lineCount}: ${it.head}`)).toEqual([])
  })
})

describe('the scanner of functions', () => {
  const lengths = (text: string) => functionsOf(text).map((it) => [it.firstLine, it.lineCount])

  it('counts from the first line of the head to the closing brace', () => {
    expect(lengths('int F(int a,\n      int b) {\n  return a;\n}\n')).toEqual([[1, 4]])
  })

  it('finds members, operators, constructors and test bodies inside namespaces and classes', () => {
    const text = [
      'namespace a::b {',
      'class C final : public B {',
      ' public:',
      '  C() : x_{1}, y_(2) {',
      '  }',
      '  int Get() const override { return x_; }',
      '  C& operator=(const C&) = default;',
      '',
      ' private:',
      '  struct Inner { int a = 0; };',
      '};',
      'TEST(Suite, Name) {',
      '  auto f = [] { return 1; };',
      '}',
      '}  // namespace a::b',
    ].join('\n')
    expect(functionsOf(text).map((it) => it.head)).toContain('int Get() const override')
    expect(lengths(text)).toContainEqual([12, 3])
  })

  it('is not misled by braces in comments, literals and macros', () => {
    const text = [
      '#define OPEN(x) \\',
      '  do {           \\',
      '  } while (x',
      '// {',
      "const char kBrace = '{';",
      'const char* kText = "}{{";',
      'const char* kRaw = R"x({{{)x";',
      'constexpr int kTable[] = {1, 2};',
      'void F() {',
      "  const int big = 1'000'000; /* } */",
      '}',
    ].join('\n')
    expect(lengths(text)).toEqual([[9, 3]])
  })
})

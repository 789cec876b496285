package query_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// message is what the conditions of the tests are about.
type message struct {
	properties iot.Properties
	system     map[string]string
	body       string
	bodyErr    error
	twin       string
}

func (m *message) Property(name string) (iot.Property, bool) {
	for _, p := range m.properties {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return iot.Property{}, false
}

func (m *message) System(name string) (string, bool) {
	s, ok := m.system[name]
	return s, ok
}

func (m *message) Body() (query.Value, error) {
	if m.bodyErr != nil {
		return query.Value{}, m.bodyErr
	}
	return query.ParseBody([]byte(m.body), m.system["contentType"], m.system["contentEncoding"])
}

func (m *message) Twin() (query.Value, bool) {
	if m.twin == "" {
		return query.Value{}, false
	}
	v, err := query.ParseJSON([]byte(m.twin))
	return v, err == nil
}

// weather is close to the message of IoT Edge's own tests and the documents.
func weather() *message {
	return &message{
		properties: iot.Properties{
			{Name: "level", Value: "storage"},
			{Name: "number", Value: "3"},
			{Name: "UPPER", Value: "STORAGE"},
			{Name: "empty", Null: true},
			{Name: "$sys4", Value: "own"},
			{Name: "City", Value: "Redmond"},
			{Name: "$body.clash", Value: "100"},
			{Name: "with-dash", Value: "d"},
			{Name: "été", Value: "é€𝄞"},
		},
		system: map[string]string{
			"contentType": "application/json", "contentEncoding": "UTF-8",
			"connectionDeviceId": "d1", "sys2": "4", "sys4": "system", "iothub-creation-time-utc": "2024-01-01",
		},
		body: `{"clash":50,"Weather":{"Temperature":50,"Freezing":-50.4,"Nothing":null,"Time":"2017-03-09T00:00:00.000Z",
			"Past":[20,30,40],"On":true,"Off":false,"Place":{"Street":"One Microsoft Way","City":"Redmond","State":"WA"},
			"History":[{"Month":"Feb","Temperature":40},{"Month":"Jan","Temperature":30}],"odd-name":"x","Temperature2":"50"}}`,
		twin: `{"deviceId":"d1","tags":{"site":"north","floor":{"n":2}},"properties":{"reported":{"temp":21.5},"desired":{"on":true}}}`,
	}
}

// outcome is a condition and what becomes of it for the weather message.
type outcome struct {
	condition string
	want      query.Truth
}

func check(t *testing.T, source string, cases []outcome) {
	t.Helper()
	m := weather()
	for _, c := range cases {
		condition, err := query.CompileCondition(c.condition, query.ConditionOptions{})
		if !assert.NoError(t, err, "%s [%s]", c.condition, source) {
			continue
		}
		got, err := condition.Evaluate(m)
		require.NoError(t, err, c.condition)
		assert.Equal(t, c.want, got, "%s [%s]", c.condition, source)
		assert.Equal(t, c.want, condition.Explain(m).Outcome, c.condition)
	}
}

const (
	yes   = query.True
	no    = query.False
	undef = query.Undefined
)

// Source: Azure/iotedge ConditionCompilerTest.cs, where nothing else is said.
func TestConditionsOfProperties(t *testing.T) {
	t.Parallel()
	check(t, "contract.md §19.1: empty or true matches all", []outcome{
		{"", yes}, {"  ", yes}, {"true", yes}, {"/* all */ true", yes},
	})
	check(t, "ConditionCompilerTest: literals", []outcome{
		{"3", undef}, {`"a string"`, undef}, {"'a'", undef}, {"undefined", undef}, {"null", no}, {"false", no},
	})
	check(t, "ConditionCompilerTest: equality", []outcome{
		{"3 = 3", yes},
		{"3 = 4", no},
		{`"3" = '3'`, yes},
		{"true = false", no},
		{"false != true", yes},
		{"3 <> 4", yes},
		{"number = '3'", yes},
		{"NUMBER = '3'", yes},
		{"level = 'Storage'", no},
		{"none = '4'", undef},
		{"none != '4'", undef},
		{"as_number(number) = 3", yes},
		{"as_number(none) = 3", undef},
		{"$sys2 = '4'", yes},
		{"as_number($sys2) < 4", no},
		{"is_defined($none)", no},
		{"is_defined(none = '4')", no},
	})
	check(t, "ConditionCompilerTest: access", []outcome{
		{"$sys4 = 'own'", yes},
		{"{$sys4} = 'system'", yes},
		{"{ $sys4 } = 'system'", yes},
		{"$connectionDeviceId = 'd1'", yes},
		{"{$connectionDeviceId} = 'd1'", yes},
		{"$iothub-creation-time-utc = '2024-01-01'", yes},
	})
	check(t, "GrammarLexer.g4: names have all but a few characters", []outcome{
		{"with-dash = 'd'", yes},
		{"level!='storage'", undef},
		{"is_defined(3-4)", no},
		{"été = 'é€𝄞'", yes},
		{"level='storage'", yes},
		{"trueish = 'x'", undef},
		{"AND-more = 'x'", undef},
	})
}

// Source: Azure/iotedge ConditionCompilerTest.cs.
func TestConditionsAreThreeValued(t *testing.T) {
	t.Parallel()
	check(t, "ConditionCompilerTest: AND, OR, NOT, undefined", []outcome{
		{"not true", no},
		{"not (true and false)", yes},
		{"true AND not true", no},
		{"false or TRUE = 'x'", undef},
		{"undefined or true", yes},
		{"undefined or false", undef},
		{"undefined and false", no},
		{"true and undefined", undef},
		{"undefined < undefined", undef},
		{"none = 'true' or true", yes},
		{"none = 'true' and false", no},
		{"not (none = 'true')", undef},
		{"NOT undefined", undef},
		{"false or true and false", no},
		{"(false or true) and true", yes},
	})
	check(t, "ConditionCompilerTest: ??", []outcome{
		{"undefined ?? undefined", undef},
		{"(level ?? 'x') = 'storage'", yes},
		{"(none ?? none2 ?? 'x') = 'x'", yes},
		{"(as_number(level) ?? 12.34) = 12.34", yes},
		{"(3 % 0 ?? 12.34) = 12.34", yes},
		{"(none ?? none) = 'x'", undef},
	})
	check(t, "ConditionCompilerTest: null", []outcome{
		{"null and null", no},
		{"(null and null) = null", yes},
		{"(null and false) = null", yes},
		{"null or true", yes},
		{"null or false", no},
		{"(null or null) = null", yes},
		{"not null", yes},
		{"is_null(empty)", yes},
		{"is_defined(empty)", yes},
		{"is_null(none)", no},
		{"is_string(empty)", no},
		{"'a' || empty || 'd' = 'ad'", yes},
		{"as_number(empty) = 1", undef},
	})
	check(t, "ConditionCompilerTest: arithmetic and order", []outcome{
		{"3 + 4 = 7", yes},
		{"3 - 4 = -1", yes},
		{"2 + 3 * 4 = 14", yes},
		{"10 - 3 - 4 = 3", yes},
		{"3 / 4 = 0.75", yes},
		{"4 % 3 = 1", yes},
		{"-(3 + 4) = -7", yes},
		{"- 3 = -3", yes},
		{"is_defined(3 % 0)", no},
		{"3 + 4 <= 7", yes},
		{"3 < as_number(none)", undef},
		{"'a' < 'b'", yes},
		{"'b' >= 'a'", yes},
		{"'a' < none", undef},
		{"0x1F = 31", yes},
		{"0XfFfFfFfFfFfFfFfF = -1", yes},
		{".5 = 5e-1", yes},
		{"1E2 = 100", yes},
		{"is_defined(10e1000)", no},
	})
}

// Source: Azure/iotedge ConditionCompilerTest.cs; STARTSWITH, ENDSWITH and
// IS_ARRAY, IS_OBJECT, IS_PRIMITIVE: iot-hub-devguide-query-language.md.
func TestConditionsWithFunctions(t *testing.T) {
	t.Parallel()
	check(t, "numbers", []outcome{
		{"AS_NUMBER('10e10') = 10e10", yes},
		{"as_number('10e1000') = 1 / 0", undef},
		{"as_number('x') = 3", undef},
		{"as_number(as_number(4)) * 3 = 12", yes},
		{"as_number(' 1,234.5 ') = 1234.5", yes},
		{"abs(-12) = 12", yes},
		{"is_defined(abs(3 / 0))", yes},
		{"is_defined(abs(3 % 0))", no},
		{"exp(0) = 1", yes},
		{"exp(4000) = 3 / 0", yes},
		{"power(2, 3) = 8", yes},
		{"square(3) = 9", yes},
		{"ceiling(-2.1) = -2", yes},
		{"FLOOR(-2.1) = -3", yes},
		{"sign(-3 / 0) = -1", yes},
		{"sign(0) = 0", yes},
		{"sqrt(4) = 2", yes},
		{"sqrt(-4) = -2", undef},
	})
	check(t, "types", []outcome{
		{"is_bool(true)", yes},
		{"is_bool(level)", no},
		{"is_number(12.34)", yes},
		{"is_number(3 / 0)", no},
		{"is_number(as_number(level))", no},
		{"is_string('a' || 'b')", yes},
		{"is_string(none)", no},
		{"is_null(null)", yes},
		{"is_null(3 / 0)", no},
		{"is_defined(undefined and true)", no},
		{"is_primitive(level)", yes},
		{"is_object(level)", no},
		{"is_array(none)", no},
		{"is_primitive(none)", no},
	})
}

func TestConditionsWithFunctionsOfStrings(t *testing.T) {
	t.Parallel()
	check(t, "strings", []outcome{
		{"concat('a', level, 'd') = 'astoraged'", yes},
		{"is_defined(concat('a', none))", no},
		{"'a' || 'b' || 'c' = 'abc'", yes},
		{"length('HELLO') = 5", yes},
		{"length('') = 0", yes},
		{"length(été) = 4", yes},
		{"is_defined(length(none))", no},
		{"lower(UPPER) = level", yes},
		{"upper(level) = UPPER", yes},
		{"substring('abc', 1) = 'bc'", yes},
		{"substring('abc', 3) = ''", yes},
		{"substring('abc', 4) = ''", undef},
		{"substring('abc', -1) = ''", undef},
		{"substring('abc', 1, 1) = 'b'", yes},
		{"substring('abc', 1, -2) = ''", undef},
		{"substring('abc', 1, 3) = ''", undef},
		{"substring('hello', 4, 1) = 'o'", yes},
		{"substring(été, 2) = '𝄞'", yes},
		{"index_of('abcdef', 'cd') = 2", yes},
		{"index_of('abc', 'xz') = -1", yes},
		{"index_of(none, '1') = 0", undef},
		{"index_of('𝄞a', 'a') = 2", yes},
		{"starts_with('abc', 'ab')", yes},
		{"STARTSWITH(level, 'stor')", yes},
		{"ends_with(level, 'age')", yes},
		{"ENDSWITH('abc', level)", no},
		{"contains(level, 'ora')", yes},
		{"contains(none, 'x')", undef},
		{"starts_with(empty, 'x')", undef},
	})
	check(t, "GrammarLexer.g4: escapes", []outcome{
		{`'it\'s' = "it's"`, yes}, {`"say \"so\"" = 'say "so"'`, yes}, {`'\\' = "\\"`, yes}, {`'\u0041\u00e9' = 'Aé'`, yes}, {`'\uD834\uDD1E' = '𝄞'`, yes},
	})
}

// Source: Azure/iotedge BodyQueryTest.cs, where nothing else is said.
func TestConditionsOfTheBody(t *testing.T) {
	t.Parallel()
	check(t, "BodyQueryTest: numbers, strings, booleans", []outcome{
		{"50 >= $body.Weather.Temperature", yes},
		{"$BODY.Weather.Temperature = 40 + 10", yes},
		{"$body.Weather.Temperature = '50'", no},
		{"$body.Weather.Temperature <> '100'", yes},
		{"$body.Weather.Past[0] + $body.Weather.Past[1] = 50", yes},
		{"$body.Weather.History[0].Temperature - 10 = $body.Weather.History[1].Temperature", yes},
		{"$body.Weather.History[0].Month = 'Feb'", yes},
		{"$body.Weather.Place.City = City", yes},
		{"$body.Weather.Place.City = level", no},
		{"$body.Weather.On", yes},
		{"NOT $body.Weather.Off", yes},
		{"$body.Weather.On AND $body.Weather.Off", no},
		{"$body.weather.Temperature = 50", no},
		{"$body.Weather.odd-name = 'x'", yes},
	})
	check(t, "contract.md §19.3: a dynamic operand on either side", []outcome{
		{"true AND $body.Weather.On", yes}, {"false OR $body.Weather.Off", no}, {"level = 'x' OR $body.Weather.On", yes},
	})
	check(t, "BodyQueryTest: null and undefined", []outcome{
		{"$body.Weather.Nothing = null", yes},
		{"$body.Nowhere.at.all = null", yes},
		{"$body.Weather.Temperature != null", yes},
		{"$body.Weather.Past[9] = null", yes},
		{"$body.Weather.None <> '100'", yes},
		{"$body.Weather.None", undef},
		{"$none <> $body.Weather.None", undef},
		{"$body.Weather.Place <> null", undef},
		{"$body.Weather.Time <> '100'", undef},
		{"is_null($body.Weather.Nothing)", yes},
		{"is_null($body.Weather.Temperature)", no},
		{"is_defined($body.Weather.Place)", no},
		{"is_defined($body.Weather.Place.Street)", yes},
	})
	check(t, "iot-hub-devguide-query-language.md", []outcome{
		{"is_object($body.Weather.Place)", yes}, {"is_array($body.Weather.Past)", yes}, {"is_primitive($body.Weather.Past)", no}, {"is_array($body.Weather.None)", no},
	})
	check(t, "contract.md §19.3: types in the order bool, number, string, null", []outcome{
		{"$body.Weather.On < $body.Weather.Temperature", yes}, {"$body.Weather.Temperature < $body.Weather.Place.City", yes}, {"$body.Weather.Place.City < $body.Weather.None", yes},
	})
	check(t, "BodyQueryTest: properties named like the body", []outcome{
		{"$body.clash = '100'", yes}, {"as_number($body.clash) = 100", yes}, {"{$body.clash} = 50", yes},
	})
	check(t, "BodyQueryTest: functions", []outcome{
		{"abs($body.Weather.Freezing) = 50.4", yes},
		{"ceiling(as_number($body.Weather.Freezing)) = -50", yes},
		{"as_number($body.Weather.Temperature2) = 50", yes},
		{"concat($body.Weather.Place.City, ', ', $body.Weather.Place.State) = 'Redmond, WA'", yes},
		{"lower($body.Weather.Place.State) = 'wa'", yes},
		{"power($body.Weather.Temperature, length($body.Weather.Place.State)) = 2500", yes},
		{"length($body.Weather.Temperature) = 2", undef},
		{"substring($body.Weather.Place.Street, length($body.Weather.Place.Street) - 3) = 'Way'", yes},
		{"($body.Weather.None ?? 'x') = null", yes},
	})
	check(t, "contract.md §19.2: the sender's twin", []outcome{
		{"$twin.tags.site = 'north'", yes},
		{"$twin.tags.floor.n = 2", yes},
		{"$twin.properties.reported.temp > 20", yes},
		{"$twin.properties.desired.on", yes},
		{"$TWIN.tags.site = level", no},
		{"$twin.tags.none = null", yes},
		{"is_object($twin.tags.floor)", yes},
		{"{$twin.tags.site} = 'north'", yes},
	})
}

// Where the condition is wrong, the error names the column and says why.
// Source of the texts and places: Azure/iotedge ErrorListenerTest.cs; of what
// fails: ConditionCompilerTest.cs, BodyQueryTest.cs, contract.md §19.2.
func TestConditionsThatAreWrong(t *testing.T) {
	t.Parallel()
	for condition, want := range map[string]string{
		"3 + '4' = 7":                  "column 3: invalid operands to binary operator '+': have 'number' and 'string', expected 'number' and 'number' (as_number makes a number of a string)",
		"as_number(true) = true":       "column 1: invalid arguments to built-in function 'as_number': as_number(bool)",
		"nope(true) = true":            "column 1: invalid built-in function 'nope'",
		"(2 + 22 = 24":                 "column 1: missing closing ')'",
		"as_number('2' = 24":           "column 15: invalid operands",
		"as_number('2'":                "column 14: unexpected end",
		"(2 + 22 )) = 24":              "column 10: unmatched closing ')'",
		"as_number('2')) = 24":         "column 15: unmatched closing ')'",
		`"2 = 24`:                      "column 1: unterminated string",
		"3 = @ 3":                      "column 5: invalid symbol '@'",
		"severity > 5":                 "column 10: invalid operands to binary operator '>': have 'string' and 'number', expected 'string' and 'string' (as_number makes a number of a string)",
		"level = 5":                    "column 7: ",
		"NOT level = 'x'":              "column 1: invalid operand to unary operator 'not': have 'string', expected 'bool'",
		"level and true":               "column 7: ",
		"3 = null":                     "column 3: ",
		"'a' + 'b' = 'ab'":             "column 5: ",
		"'a' || null = 'a'":            "column 5: ",
		"(level ?? 12.34) = 'x'":       "column 8: ",
		"level ?? 'x' = 'y'":           "column 7: ",
		"- (level) = 3":                "column 1: invalid operand to unary operator '-'",
		"abs(3, 4) = 3":                "column 1: invalid arguments to built-in function 'abs': abs(number, number)",
		"substring('x') = 'x'":         "column 1: ",
		"concat('a') = 'a'":            "column 1: ",
		"contains('hello', null)":      "column 1: ",
		"3 -4 = 7":                     "column 3: unexpected '-4'",
		"level == 'x'":                 "column 8: unexpected '='",
		"true && true":                 "column 6: unexpected '&&'",
		"level = 'a'b":                 "column 12: a space is missing after the string",
		`level = '\q'`:                 "column 10: invalid escape sequence in a string",
		"level = 'a' /* b":             "column 13: unterminated comment",
		"level[0] = 'x'":               "column 6: a name cannot contain '['",
		"$level[0] = 'x'":              "column 7: a name cannot contain '['",
		"$body = 3":                    "column 1: a path into $body is needed",
		"$body[0].x = 3":               "column 1: a path into $body is needed",
		"$body. = 3":                   "column 7: a name is missing in the path",
		"$body.a[] = 3":                "column 8: one number is expected in the brackets",
		"$body.a[1:2] = 3":             "column 10: invalid symbol ':'",
		"$body.a[1][2] = 3":            "column 8: one number is expected in the brackets",
		"$body.a..b = 3":               "column 9: a name is missing in the path",
		"$twin = 3":                    "column 1: a path into $twin is needed",
		"{level} = 'x'":                "column 2: unexpected 'level'",
		"{$level = 'x'":                "column 9: unexpected '='",
		"été = é 3":                    "column 9: unexpected '3'",
		"true\n  and 3 ?":              "line 2, column 9: invalid symbol '?'",
		"twin_change_includes(tags.a)": "column 1: twin_change_includes is for the source TwinChangeEvents only",
		"level IN ['a']":               "column 7: unexpected 'IN'",
	} {
		_, err := query.CompileCondition(condition, query.ConditionOptions{})
		if assert.Error(t, err, condition) {
			assert.Contains(t, err.Error(), "Error at "+want, condition)
			require.ErrorIs(t, err, iot.ErrArgumentInvalid, condition)
			var told *iot.Error
			require.ErrorAs(t, err, &told)
			assert.Equal(t, err.Error(), told.Message)
		}
	}
}

func TestConditionsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := query.CompileCondition(strings.Repeat("(", 5000)+"true", query.ConditionOptions{})
	require.ErrorContains(t, err, "nested more than 100 deep")
	_, err = query.CompileCondition(strings.Repeat("not ", 2000)+"true", query.ConditionOptions{})
	require.ErrorContains(t, err, "nested more than 100 deep")
	_, err = query.CompileCondition("true"+strings.Repeat(" ", query.MaxLength), query.ConditionOptions{})
	require.ErrorContains(t, err, "longer than 8192 characters")

	m := &message{properties: iot.Properties{{Name: "p", Value: strings.Repeat("x", 1<<18)}}}
	condition, err := query.CompileCondition("length(concat(p"+strings.Repeat(", p", 1000)+")) > 0", query.ConditionOptions{})
	require.NoError(t, err)
	outcome, err := condition.Evaluate(m)
	assert.Equal(t, undef, outcome)
	require.ErrorContains(t, err, "too long")
}

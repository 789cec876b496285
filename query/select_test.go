package query_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// twins are the documents that queries of the tests are over.
func twins(t testing.TB) (all []query.Value) {
	t.Helper()
	for _, text := range []string{
		`{"deviceId":"d1","etag":"AAAAAAAAAAE=","status":"enabled","connectionState":"Connected","lastActivityTime":"2024-05-01T10:00:00.5Z",
			"cloudToDeviceMessageCount":2,"version":3,"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"tags":{"site":"x","floor":1,"location":{"region":"US","Plant":"Redmond43"},"a-b":"dash","group":"g","été":"é"},
			"properties":{"desired":{"interval":60,"$version":4},"reported":{"temp":21.50,"up":true,"list":[1],"connectivity":{"type":"wifi"},"$version":7,
			"$metadata":{"temp":{"$lastUpdated":"2024-05-01T00:00:00Z"}}}},"capabilities":{"iotEdge":false}}`,
		`{"deviceId":"d2","etag":"AAAAAAAAAAI=","status":"disabled","connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z",
			"cloudToDeviceMessageCount":0,"version":2,"tags":{"site":"x","floor":2.0,"note":"it's \"so\" \\"},
			"properties":{"desired":{"interval":30,"$version":1},"reported":{"temp":"hot","$version":1}},"capabilities":{"iotEdge":true}}`,
		`{"deviceId":"d3","etag":"AAAAAAAAAAM=","status":"enabled","connectionState":"Disconnected","version":9,
			"tags":{"site":"y","floor":1.0},"properties":{"desired":{"$version":1},"reported":{"temp":20,"up":false,"$version":1}},"capabilities":{"iotEdge":false}}`,
	} {
		v, err := query.ParseJSON([]byte(text))
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// run is what a query answers, its rows joined.
func run(t testing.TB, text string) string {
	t.Helper()
	return strings.Join(answers(t, text), " ")
}

// answers are the rows of a query; of SELECT * the ids of the devices.
func answers(t testing.TB, text string) (rows []string) {
	t.Helper()
	q, err := query.CompileQuery(text)
	require.NoError(t, err, text)
	groups := q.Groups()
	for _, row := range twins(t) {
		switch {
		case !q.Matches(row):
		case groups != nil:
			require.NoError(t, groups.Add(row))
		case q.All():
			rows = append(rows, strings.Trim(string(row.Member("deviceId").AppendJSON(nil)), `"`))
		default:
			rows = append(rows, string(q.AppendRow(nil, row)))
		}
	}
	if groups != nil {
		for _, row := range groups.Rows("", 100) {
			rows = append(rows, string(row.JSON))
		}
	}
	return rows
}

// Source: iot-hub-devguide-query-language.md, query-twins.md, contract.md §14.2
// where nothing else is said.
func TestQueriesFilter(t *testing.T) {
	t.Parallel()
	for condition, want := range map[string]string{
		"tags.location.region = 'US'":                                    "d1",
		"tags.location.region = 'US' AND properties.reported.temp >= 20": "d1",
		"tags.site = 'x' AND properties.reported.temp > 20":              "d1",
		"properties.reported.connectivity.type IN ['wired', 'wifi']":     "d1",
		"properties.reported.connectivity.type NIN ['wired']":            "d1",
		"tags.site nin ['y']":                                            "d1 d2",
		"tags.floor in [-1, 0x1, \"1\", null]":                           "d1 d3",
		"is_defined(properties.reported.up)":                             "d1 d3",
		"IS_DEFINED(tags.location)":                                      "d1",
		"NOT IS_DEFINED(tags.location)":                                  "d2 d3",
		"is_defined(x509Thumbprint.primaryThumbprint)":                   "d1",
		"status = 'enabled' AND connectionState = 'Disconnected'":        "d3",
		"Status = 'enabled' AND CONNECTIONSTATE = \"Connected\"":         "d1",
		"devices.deviceId = 'd2' OR id = 'd3'":                           "d2 d3",
		"capabilities.iotEdge = true":                                    "d2",
		"capabilities.iotedge":                                           "d2",
		"properties.desired.interval = properties.reported.temp + 38.5":  "d1",
		"properties.reported.list = properties.reported.list":            "",
		"properties.reported.$version > 1":                               "d1",
		"properties.reported.$metadata.temp.$lastUpdated > '2024-01-01'": "d1",
		"etag = 'AAAAAAAAAAI='":                                          "d2",
		"lastActivityTime < '2024-05-02' and lastActivityTime > '2024'":  "d1",
		"cloudToDeviceMessageCount % 2 = 0":                              "d1 d2",
		"tags.[[a-b]] = 'dash' OR tags.[[group]] = 'x'":                  "d1",
		"[[tags]].[[group]] = 'g'":                                       "d1",
		"tags.été = '\\u00e9'":                                           "d1",
		`tags.note = 'it\'s "so" \\'`:                                    "d2",
		`tags.note = "it's \"so\" \\"`:                                   "d2",
		"tags.location.plant = 'Redmond43'":                              "",
		"tags.location.Plant = 'Redmond43'":                              "d1",
		"properties.Reported.temp = 20":                                  "d3",
		"properties.reported.temp = 21.5":                                "d1",
		"properties.reported.temp = 0x14":                                "d3",
		"-version = -9":                                                  "d3",
		"version*2-1=5":                                                  "d1",
		"NOT status = 'enabled'":                                         "d2",
		"not (status = 'enabled') or false":                              "d2",
		"version = 2 OR version = 3 AND status = 'disabled'":             "d2",
		"STARTSWITH(deviceId, 'd') AND ENDSWITH(deviceId, '3')":          "d3",
		"contains(tags.site, 'x') and length(tags.site) = 1":             "d1 d2",
		"upper(tags.site) = 'Y' and substring(deviceId, 1) = '3'":        "d3",
		"starts_with(properties.reported.temp, 'h')":                     "d2",
		"true":                   "d1 d2 d3",
		"null":                   "",
		"undefined":              "",
		"1":                      "",
		"deviceId":               "",
		"none = 'x'":             "",
		"none != 'x'":            "",
		"tags.site.deeper = 'x'": "",
		"configurations.[[c1]].status = 'Applied'": "",
		"moduleId = 'm'": "",
	} {
		assert.Equal(t, want, run(t, "SELECT * FROM devices WHERE "+condition), condition)
	}
	// Unsourced: values of different types are unequal, and neither is less.
	assert.Equal(t, "d2", run(t, "select * from devices where properties.reported.temp <> 21.5 and properties.reported.temp != 20"))
	assert.Equal(t, "", run(t, "select * from devices where deviceId = 'd2' and (properties.reported.temp > 1 or properties.reported.temp < 1)"))
}

// Source: iot-hub-devguide-query-language.md, query-twins.md; what is left out
// and what aggregates pass over is unsourced.
func TestQueriesProjectAndAggregate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT DeviceId, LastActivityTime FROM devices WHERE status = 'enabled'":                                             `{"deviceId":"d1","lastActivityTime":"2024-05-01T10:00:00.5Z"} {"deviceId":"d3"}`,
		"SELECT properties.reported.temp FROM devices":                                                                        `{"temp":21.50} {"temp":"hot"} {"temp":20}`,
		"SELECT properties.reported.temp AS t, tags.[[a-b]], tags.location AS [[the place]] FROM devices WHERE deviceId='d1'": `{"t":21.50,"a-b":"dash","the place":{"region":"US","Plant":"Redmond43"}}`,
		"SELECT x509Thumbprint.PrimaryThumbprint FROM devices":                                                                `{"primaryThumbprint":null} {} {}`,
		"SELECT capabilities FROM devices WHERE deviceId = 'd2'":                                                              `{"capabilities":{"iotEdge":true}}`,
		"SELECT COUNT() AS n FROM devices":                                                                                    `{"n":3}`,
		"select count() as n from devices where false":                                                                        `{"n":0}`,
		"SELECT count(properties.reported.up) AS n, COUNT() FROM devices":                                                     `{"n":2,"$2":3}`,
		"SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site":                                              `{"site":"x","n":2} {"site":"y","n":1}`,
		"SELECT COUNT() AS n, tags.site FROM devices GROUP BY tags.site, status":                                              `{"n":1,"site":"x"} {"n":1,"site":"x"} {"n":1,"site":"y"}`,
		"SELECT COUNT() AS n, tags.floor AS f FROM devices GROUP BY tags.floor":                                               `{"n":2,"f":1} {"n":1,"f":2.0}`,
		"SELECT properties.reported.up AS up, COUNT() AS n FROM devices GROUP BY properties.reported.up":                      `{"n":1} {"up":false,"n":1} {"up":true,"n":1}`,
		"SELECT tags.location AS l FROM devices GROUP BY tags.location":                                                       `{} {"l":{"region":"US","Plant":"Redmond43"}}`,
		"SELECT AVG(version) AS a, SUM(version) AS s, MIN(version) AS l, MAX(version) AS g FROM devices":                      `{"a":4.666666666666667,"s":14,"l":2,"g":9}`,
		"SELECT SUM(properties.reported.temp) AS s, MAX(properties.reported.temp) AS g, MIN(tags.floor) AS l FROM devices":    `{"s":41.5,"g":"hot","l":1}`,
		"SELECT MIN(properties.reported.temp) AS l FROM devices WHERE deviceId = 'd1'":                                        `{"l":21.50}`,
		"SELECT AVG(none) AS a, SUM(none) AS s, MIN(none) AS l, MAX(tags) AS g FROM devices":                                  `{}`,
		"SELECT COUNT() AS n FROM devices WHERE false GROUP BY tags.site":                                                     ``,
	} {
		assert.Equal(t, want, run(t, text), text)
	}
}

func TestGroupsArePaged(t *testing.T) {
	t.Parallel()
	q, err := query.CompileQuery("SELECT COUNT() AS n, deviceId FROM devices GROUP BY deviceId, tags.location")
	require.NoError(t, err)
	groups := q.Groups()
	for _, row := range twins(t) {
		require.NoError(t, groups.Add(row))
	}
	var all []string
	for key := ""; ; {
		rows := groups.Rows(key, 2)
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			all = append(all, string(row.JSON))
			key = row.Key
			require.LessOrEqual(t, len(key), 100)
		}
	}
	assert.Equal(t, []string{`{"n":1,"deviceId":"d1"}`, `{"n":1,"deviceId":"d2"}`, `{"n":1,"deviceId":"d3"}`}, all)
}

func TestGroupsOfTextsWithZerosAreToldApart(t *testing.T) {
	t.Parallel()
	q, err := query.CompileQuery("SELECT COUNT() AS n FROM devices GROUP BY tags.a, tags.b")
	require.NoError(t, err)
	groups := q.Groups()
	for _, tags := range []string{`{"a":"x\u00003y","b":"z"}`, `{"a":"x","b":"y\u00003z"}`} {
		row, err := query.ParseJSON([]byte(`{"tags":` + tags + `}`))
		require.NoError(t, err)
		require.NoError(t, groups.Add(row))
	}
	assert.Len(t, groups.Rows("", 10), 2)
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		size int // of a document
		most int // groups, about
	}{
		{"SELECT tags FROM devices GROUP BY tags", 1 << 20, 128},
		{"SELECT COUNT() AS n FROM devices GROUP BY tags.n", 1, 400_000},
		{"SELECT " + columns(500) + " FROM devices GROUP BY tags.n", 1, 4_000},
	} {
		q, err := query.CompileQuery(c.text)
		require.NoError(t, err)
		groups, text := q.Groups(), strings.Repeat("x", c.size)
		added := 0
		for err == nil && added < 1_000_000 {
			var row query.Value
			row, err = query.ParseJSON(fmt.Appendf(nil, `{"tags":{"n":%d,"text":"%s"}}`, added, text))
			require.NoError(t, err)
			err = groups.Add(row)
			added++
		}
		require.ErrorIs(t, err, iot.ErrArgumentInvalid, c.text)
		require.ErrorContains(t, err, "The groups of the query take more than 134217728 bytes")
		assert.InEpsilon(t, c.most, added, 0.1, c.text)
	}
}

// columns are so many aggregates.
func columns(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("SUM(n) AS c%d", i)
	}
	return strings.Join(all, ",")
}

func TestQueriesSayWhatTheyAreOver(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]query.Collection{
		"SELECT * FROM devices": query.Devices, "select top 5 * from Devices.Modules where devices.modules.moduleId = 'm'": query.Modules,
		"SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'd' AND devices.jobs.createdTimeUtc > '2016-09-01' AND jobId IN ['a']": query.Jobs,
	} {
		q, err := query.CompileQuery(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, q.From(), text)
		assert.True(t, q.All())
		assert.Nil(t, q.Groups())
		assert.Equal(t, text, q.String())
		assert.Equal(t, want == query.Modules, q.Top() == 5)
	}
}

// The error names the column. Source of what is refused: contract.md §14.2,
// query-jobs.md; the texts are Linarite's own [unsourced].
func TestQueriesThatAreWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "column 1: SELECT is expected",
		"SELECT":                             "column 7: unexpected end",
		"SELECT *":                           "column 9: FROM is expected",
		"SELECT * FROM":                      "column 14: devices, devices.modules or devices.jobs is expected",
		"SELECT * FROM c":                    "column 15: devices, devices.modules or devices.jobs is expected",
		"SELECT * FROM devices.x":            "column 23: modules or jobs is expected",
		"SELECT * FROM devices WHERE":        "column 28: unexpected end",
		"SELECT * FROM devices WHERE a = ":   "column 33: unexpected end",
		"SELECT * FROM devices WHERE a == 1": "column 32: unexpected '='",
		"SELECT * FROM devices WHERE tags.group = 'x'":               "column 34: unexpected 'group': as a name it is written [[group]]",
		"SELECT * FROM devices WHERE tags.a-b = 'x' x":               "column 44: unexpected 'x'",
		"SELECT * FROM devices ORDER BY deviceId":                    "column 23: unexpected 'ORDER'",
		"SELECT * FROM devices WHERE a IN ('x')":                     "column 34: unexpected '('",
		"SELECT * FROM devices WHERE a IN []":                        "column 35: unexpected ']'",
		"SELECT * FROM devices WHERE a IN [b]":                       "column 35: a constant is expected",
		"SELECT * FROM devices WHERE a IN ['x' 'y']":                 "column 39: unexpected ''y''",
		"SELECT * FROM devices WHERE [[a = 1":                        "column 29: missing closing ']]'",
		"SELECT * FROM devices WHERE [[]] = 1":                       "column 29: a name is missing in the brackets",
		"SELECT * FROM devices WHERE a = 'x":                         "column 33: unterminated string",
		"SELECT * FROM devices WHERE a = 'x\\n'":                     "column 35: invalid escape sequence in a string",
		"SELECT * FROM devices WHERE a = 12x":                        "column 33: '12x' is not a number",
		"SELECT * FROM devices WHERE a = 0x":                         "column 33: '0x' is not a number",
		"SELECT * FROM devices WHERE a = 1e999":                      "column 33: '1e999' is not a number",
		"SELECT * FROM devices WHERE a # 1":                          "column 31: invalid symbol '#'",
		"SELECT * FROM devices WHERE a /* x */ = 1":                  "column 32: unexpected '*'",
		"SELECT * FROM devices WHERE a || b = 'c'":                   "column 31: invalid symbol '|'",
		"SELECT * FROM devices WHERE nope(a)":                        "column 29: invalid built-in function 'nope'",
		"SELECT * FROM devices WHERE as_number(a) = 1":               "column 29: AS_NUMBER is for the conditions of routes only",
		"SELECT * FROM devices WHERE count() = 1":                    "column 29: COUNT can be selected only",
		"SELECT * FROM devices WHERE is_defined()":                   "column 29: invalid arguments to built-in function 'is_defined'",
		"SELECT * FROM devices WHERE (a = 1":                         "column 29: missing closing ')'",
		"SELECT * FROM devices WHERE a = 1)":                         "column 34: unmatched closing ')'",
		"SELECT * FROM devices WHERE a. = 1":                         "column 32: unexpected '='",
		"SELECT * FROM devices GROUP BY tags.a":                      "column 1: * cannot be selected from groups",
		"SELECT deviceId, COUNT() AS n FROM devices":                 "column 8: what is selected beside aggregates has to be in GROUP BY",
		"SELECT tags.a, tags.b FROM devices GROUP BY tags.a":         "column 16: what is selected beside aggregates has to be in GROUP BY",
		"SELECT tags.a, properties.reported.a FROM devices":          "column 16: the name 'a' is used twice: give one with AS",
		"SELECT AVG() FROM devices":                                  "column 8: AVG needs a property",
		"SELECT COUNT(*) FROM devices":                               "column 14: unexpected '*'",
		"SELECT UPPER(deviceId) FROM devices":                        "column 13: FROM is expected",
		"SELECT a, FROM devices":                                     "column 11: unexpected 'FROM': as a name it is written [[FROM]]",
		"SELECT a AS FROM devices":                                   "column 13: unexpected 'FROM'",
		"SELECT TOP x * FROM devices":                                "column 12: a number from 1 on is expected behind TOP",
		"SELECT TOP 0 * FROM devices":                                "column 12: a number from 1 on is expected behind TOP",
		"SELECT TOP 1.5 * FROM devices":                              "column 12: a number from 1 on is expected behind TOP",
		"SELECT deviceId FROM devices.jobs":                          "column 1: from devices.jobs only * can be selected, and nothing grouped",
		"SELECT COUNT() AS n FROM devices.jobs":                      "column 1: from devices.jobs only * can be selected, and nothing grouped",
		"SELECT * FROM devices.jobs WHERE tags.a = 1":                "column 34: 'tags' is no property of a job",
		"SELECT * FROM devices.jobs WHERE properties.reported.a = 1": "column 34: 'properties' is no property of a job",
		"SELECT *\nFROM devices\nWHERE é = ?":                        "line 3, column 11: invalid symbol '?'",
	} {
		_, err := query.CompileQuery(text)
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), "Error at "+want, text)
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
		}
	}
	_, err := query.CompileQuery("SELECT * FROM devices WHERE " + strings.Repeat("NOT ", 1000) + "true")
	require.ErrorContains(t, err, "nested more than 100 deep")
	_, err = query.CompileQuery("SELECT * FROM devices WHERE " + strings.Repeat(" ", query.MaxLength) + "true")
	require.ErrorContains(t, err, "longer than 8192 characters")
}

// Any text is either refused at a place inside it, or a query that answers.
func FuzzQuery(f *testing.F) {
	for _, text := range []string{
		"SELECT * FROM devices WHERE tags.site = 'x' AND properties.reported.temp > 20",
		"select top 5 deviceId, tags.[[a b]] as [[c]] from devices.modules where not is_defined(tags.x) or a in [1, -2.5e3, 0xff, \"\\u0041\"]",
		"SELECT COUNT() AS n, AVG(version), tags.site FROM devices GROUP BY tags.site", "SELECT * FROM devices.jobs WHERE devices.jobs.status = 'x'",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.CompileQuery(text)
		if err != nil {
			requireInside(t, text, err)
			return
		}
		for _, row := range answers(t, text) {
			require.True(t, q.All() || json.Valid([]byte(row)), row)
		}
	})
}

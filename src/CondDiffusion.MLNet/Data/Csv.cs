using System.Text;

namespace CondDiffusion.MLNet.Data;

/// <summary>Reads and formats records of comma-separated values (RFC 4180).</summary>
internal static class Csv
{
    private static readonly char[] Quoted = [',', '"', '\r', '\n'];

    /// <summary>Formats a record as a line, without its end.</summary>
    public static string Format(IEnumerable<string> fields) => string.Join(',', fields.Select(field =>
        field.IndexOfAny(Quoted) < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\""));

    /// <summary>Reads the records of a file one by one, without blank lines.</summary>
    /// <returns>The fields of each record, and the line on which it begins, counted from 1.</returns>
    /// <exception cref="FormatException">
    /// A quotation mark is neither around a field nor doubled within one, or the file ends within a quoted field; the
    /// message names the line.
    /// </exception>
    public static IEnumerable<(int Line, string[] Fields)> Read(string path)
    {
        using var reader = new StreamReader(path);
        var fields = new List<string>();
        var field = new StringBuilder();
        var isQuoted = false;
        var line = 1;
        var firstLine = 1;
        while (reader.Read() is >= 0 and var next)
        {
            var character = (char)next;
            if (character == '\n') line++;

            if (isQuoted)
            {
                if (character != '"') field.Append(character);
                else if (reader.Peek() == '"') field.Append((char)reader.Read());
                else if (reader.Peek() is -1 or ',' or '\r' or '\n') isQuoted = false;
                else throw Bad(line, "expected the end of the field after its second quotation mark");
            }
            else if (character == '\n')
            {
                if (EndRecord() is { } record) yield return (firstLine, record);
                firstLine = line;
            }
            else if (character == ',')
            {
                EndField();
            }
            else if (character == '"')
            {
                if (field.Length > 0) throw Bad(line, $"expected no quotation mark within the field '{field}'");
                isQuoted = true;
            }
            else if (character != '\r')
            {
                field.Append(character);
            }
        }

        if (isQuoted)
            throw Bad(firstLine, "expected a second quotation mark around a field, found the end of the file");
        if (EndRecord() is { } last) yield return (firstLine, last);

        FormatException Bad(int where, string what) => new($"'{path}' line {where}: {what}.");

        void EndField()
        {
            fields.Add(field.ToString());
            field.Clear();
        }

        // Returns null for a blank line.
        string[]? EndRecord()
        {
            if (fields.Count == 0 && field.Length == 0) return null;

            EndField();
            string[] record = [.. fields];
            fields.Clear();
            return record;
        }
    }
}

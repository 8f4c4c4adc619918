using CondDiffusion.MLNet.Data;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Data;

[TestClass]
public sealed class CsvTests
{
    [TestMethod]
    [DataRow("a,b\nc,d\n", "1: a|b", "2: c|d")]
    [DataRow("\ufeffa,b\r\nc,d", "1: a|b", "2: c|d")]
    [DataRow("\n\na\n\nb\n\n", "3: a", "5: b")]
    [DataRow(",\n\"\",x\n", "1: |", "2: |x")]
    [DataRow("\"a,b\",\"say \"\"c,d\"\"\"\n", "1: a,b|say \"c,d\"")]
    [DataRow("\"a\nb\r\nc\",d\ne\n", "1: a\nb\r\nc|d", "4: e")]
    [DataRow("a\n\"b\"", "1: a", "2: b")]
    [DataRow("")]
    public void Read_Records_GivesTheirLinesAndFields(string text, params string[] expected)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("x.csv"), text);

        var records = Csv.Read(directory.File("x.csv"));

        Assert.AreSequenceEqual(expected, records.Select(each => $"{each.Line}: {string.Join('|', each.Fields)}"));
    }

    [TestMethod]
    public void Read_OpenQuotationMark_NamesTheLineWhereItsRecordBegins()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("x.csv");
        File.WriteAllText(path, "a,b\nc,\"d\ne\n");
        Throws.Saying<FormatException>(() => Csv.Read(path).Count(), path, "line 2", "quotation mark");
    }

    [TestMethod]
    [DataRow("a,b\nc \"d\",e\n", "line 2", "within the field 'c '")]
    [DataRow("a\n\n5\" disk\nb", "line 3", "within the field '5'")]
    [DataRow("\"a\nb\" c,d\n", "line 2", "after its second quotation mark")]
    public void Read_QuotationMarkWithinAField_NamesItsLine(string text, params string[] parts)
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("x.csv");
        File.WriteAllText(path, text);
        Throws.Saying<FormatException>(() => Csv.Read(path).Count(), [path, .. parts]);
    }

    [TestMethod]
    public void Format_SpecialCharacters_AreQuoted() => Assert.AreEqual(
        "a b,,\"c,d\",\"say \"\"e\"\"\",\"f\ng\",\"h\ri\"",
        Csv.Format(["a b", "", "c,d", "say \"e\"", "f\ng", "h\ri"]));
}

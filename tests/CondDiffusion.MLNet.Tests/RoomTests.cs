using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests;

/// <summary>
/// Checks the sources against the table of rooms in CONTRIBUTING.md: a room's code names types only of rooms that it
/// may use.
/// </summary>
[TestClass]
public sealed partial class RoomTests
{
    private const string All = "all";

    /// <summary>The rooms of the table that need not have files yet.</summary>
    private static readonly string[] Announced = ["Files"];

    /// <summary>The libraries that a room may use, and the namespace that begins the names of their types.</summary>
    private static readonly Dictionary<string, string> Libraries = new()
    {
        ["ML.NET"] = "Microsoft.ML",
        ["TorchSharp"] = "TorchSharp",
    };

    /// <summary>The rows of the table: what each room may use.</summary>
    private static readonly OrderedDictionary<string, string[]> Table = ReadTable();

    public static IEnumerable<string> Rooms => Table.Keys;

    [TestMethod]
    public void Table_Rooms_AreTheFoldersOfTheLibrary()
    {
        var folders = SourceFile.All.Select(file => file.Room).Distinct();
        Assert.AreSequenceEqual(Rooms.Except(Announced), folders.Except(Announced), SequenceOrder.InAnyOrder);
    }

    [TestMethod]
    [DynamicData(nameof(Rooms))]
    public void Table_Room_MayUseLibrariesAndRoomsAboveIt(string room)
    {
        var above = Rooms.TakeWhile(other => other != room).Concat(Libraries.Keys).Append(All);
        Assert.AreSequenceEqual([], Table[room].Except(above));
    }

    [TestMethod]
    [DynamicData(nameof(Rooms))]
    public void Room_Code_NamesTypesOnlyOfRoomsThatItMayUse(string room)
    {
        var others = SourceFile.All.Where(file => file.Room != room && !MayUse(room, file.Room));
        var forbidden = others
            .SelectMany(file => file.Types.Select(type => (type.Name, file.Room)))
            .DistinctBy(type => type.Name)
            .ToArray();
        var named =
            from file in SourceFile.All
            where file.Room == room
            from type in forbidden
            where file.Words.Contains(type.Name)
            select $"{file.Path} names {type.Name}, but {room} may not use {type.Room}";
        Assert.AreSequenceEqual([], named);
    }

    /// <summary>Extension methods are used without the name of their type.</summary>
    [TestMethod]
    [DynamicData(nameof(Rooms))]
    public void Room_Usings_AreOfRoomsThatItMayUse(string room)
    {
        var named =
            from file in SourceFile.All
            where file.Room == room
            from other in Rooms
            where other != room && !MayUse(room, other)
            where file.Code.Contains($"using CondDiffusion.MLNet.{other};", StringComparison.Ordinal)
            select $"{file.Path} uses {other}, but {room} may not";
        Assert.AreSequenceEqual([], named);
    }

    [TestMethod]
    [DynamicData(nameof(Rooms))]
    public void Room_Code_NamesOnlyLibrariesThatItMayUse(string room)
    {
        var named =
            from file in SourceFile.All
            where file.Room == room
            from library in Libraries
            where !MayUse(room, library.Key) && file.Code.Contains(library.Value, StringComparison.Ordinal)
            select $"{file.Path} names {library.Value}, but {room} may not use {library.Key}";
        Assert.AreSequenceEqual([], named);
    }

    [TestMethod]
    public void Root_Files_AreFewAndDeclareOnlyPublicTypes()
    {
        var files = SourceFile.All.Where(file => file.Room == "root").ToArray();
        Assert.IsLessThanOrEqualTo(8, files.Length);
        Assert.IsTrue(files.All(file => file.Types.Count > 0 && file.Types.All(type => type.IsPublic)));
    }

    [TestMethod]
    public void Types_Namespace_IsTheLibrarysOrTheRooms()
    {
        const string Library = "CondDiffusion.MLNet";
        var misplaced =
            from file in SourceFile.All
            from type in file.Types
            where type.Name != "IgnoresAccessChecksToAttribute" // the runtime looks for it in its own namespace
            where type.Namespace != (type.IsPublic ? Library : $"{Library}.{file.Room}")
            select $"{file.Path}: {type.Namespace}.{type.Name}";
        Assert.AreSequenceEqual([], misplaced);
    }

    [TestMethod]
    public void MLNetsInternals_FiveFiles_UseThem()
    {
        var users =
            from file in SourceFile.All
            where file.Path is not (
                "Interop/MLNetInternals.cs" or "Pipeline/ModelFile.cs" or "Pipeline/ImageNormalizingTransformer.cs")
            from name in MLNetsInternals().Matches(file.Code)
            select $"{file.Path}: {name.Value}";

        // ML.NET finds a transformer by the attribute, and calls the method Create with the context.
        string[] transformers =
            ["Classification/ConvolutionalNetworkTransformer.cs", "Pipeline/ConditionalDiffusionTransformer.cs"];
        Assert.AreSequenceEqual(
            transformers.SelectMany(path => new[] { $"{path}: LoadableClass(", $"{path}: ModelLoadContext" }), users);
        foreach (var path in transformers)
        {
            var code = SourceFile.All.Single(file => file.Path == path).Code;
            var type = Path.GetFileNameWithoutExtension(path);
            Assert.MatchesRegex($@"static {type} Create\([^)]*\bModelLoadContext\b", code);
        }
    }

    [TestMethod]
    public void Training_OneFile_ReadsDataViews()
    {
        var readers = SourceFile.All.Where(file => file.Room == "Training" && DataViews().IsMatch(file.Code));
        Assert.AreSequenceEqual(["Training/TrainingDataReader.cs"], readers.Select(file => file.Path));
    }

    [TestMethod]
    public void TensorFactories_EachCall_NamesItsDataTypeAndItsDevice()
    {
        var calls = SourceFile.All.SelectMany(file => FindFactories(file.Code).Select(call => (file.Path, call)));
        Assert.IsGreaterThan(10, calls.Count());

        // What a call does not name is a setting of the process, which the application may have changed.
        var unnamed = calls
            .Where(call => !DataType().IsMatch(call.call) || !Device().IsMatch(call.call))
            .Select(call => $"{call.Path}: {call.call}");
        Assert.AreSequenceEqual([], unnamed);
    }

    [TestMethod]
    public void FindFactories_CallsOfTorch_AreFoundToTheirLastParenthesis()
    {
        const string Code = "a = zeros(b(1), (2)); zeros_like(c); d = torch.tensor([e], f); g.full(3); empty (\n4);";
        Assert.AreSequenceEqual(["zeros(b(1), (2))", "tensor([e], f)", "empty (\n4)"], FindFactories(Code));
    }

    [TestMethod]
    public void Strip_CommentsAndStrings_LeavesTheCode()
    {
        const string Text = """
            a /* b
            " */ + "c \" // d"; // e "
            f + '"' + $"g {{h}} {i + "j"} k" + @"l \" + $"{m:n}" + '\'' + o;
            """;
        Assert.AreSequenceEqual(["a", "f", "i", "m", "n", "o"], SourceFile.FindWords(SourceFile.Strip(Text)));
    }

    [TestMethod]
    public void FindWords_MembersOfVariablesAndOverrides_LeavesThemOut()
    {
        const string Code = "public override long A => b.C + d?.E + f()\n    .G + H.I + J.K.L == M;";
        Assert.AreSequenceEqual(
            ["public", "override", "long", "b", "d", "f", "H", "I", "J", "K", "L", "M"], SourceFile.FindWords(Code));
    }

    [TestMethod]
    public void FindWords_Properties_LeavesThemOutButNotTheirTypes()
    {
        const string Code = "public A B { get; init; } C D => new E { F = G.H };";
        Assert.AreSequenceEqual(
            ["public", "A", "get", "init", "C", "D", "new", "E", "G", "H"], SourceFile.FindWords(Code));
    }

    private static IEnumerable<string> FindFactories(string code) =>
        Factory().Matches(code).Select(call => call.Groups["call"].Value);

    private static bool MayUse(string room, string other) => Table[room].Contains(All) || Table[room].Contains(other);

    private static OrderedDictionary<string, string[]> ReadTable()
    {
        var section = Section().Match(Repository.Read("CONTRIBUTING.md")).Value;
        var table = new OrderedDictionary<string, string[]>();
        foreach (var row in Row().Matches(section).Where(row => row.Groups["room"].Value is not ("room" or "---")))
        {
            var mayUse = row.Groups["uses"].Value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries);
            table.Add(row.Groups["room"].Value, mayUse is ["–"] ? [] : mayUse);
        }

        return table;
    }

    [GeneratedRegex(@"^## The rooms$(?s:.*?)(?=^## |\z)", RegexOptions.Multiline)]
    private static partial Regex Section();

    [GeneratedRegex(@"^\| *`?(?<room>[\w-]+)`? *\|[^|]*\| *(?<uses>[^|]*?) *\|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(
        @"\b(?:LoadableClass\(|ModelLoadContext\b|VersionInfo\b|IHostEnvironmentInternal\b|ICancelable\b|" +
        @"ITransformerChainAccessor\b|ITransformerWithDifferentMappingAtTrainingTime\b|" +
        @"SchemaShape\.Create\(|Except(?:Decode|Param|SchemaMismatch)\()")]
    private static partial Regex MLNetsInternals();

    // The arguments may hold parentheses in pairs.
    [GeneratedRegex(
        @"(?<![\w.])(?:(?:TorchSharp\s*\.\s*)?torch\s*\.\s*)?" +
        @"(?<call>(?:empty|zeros|ones|full|tensor|as_tensor|arange|linspace|logspace|eye|" +
        @"rand|randn|randint|randperm|normal)\s*\((?>[^()]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\))")]
    private static partial Regex Factory();

    [GeneratedRegex(@"\b(?:ScalarType|dtype|type)\b")]
    private static partial Regex DataType();

    [GeneratedRegex(@"\b(?:CPU|[Dd]evice)\b")]
    private static partial Regex Device();

    [GeneratedRegex(@"\b(?:I?DataView\w*|VBuffer|ValueGetter|SchemaShape)\b")]
    private static partial Regex DataViews();
}

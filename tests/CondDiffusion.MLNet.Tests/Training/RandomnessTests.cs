using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Training;

/// <summary>
/// Checks the sources for what no machine without a GPU can show. TorchSharp's generators are those of the CPU,
/// whatever device they are given; a function that makes random tensors elsewhere refuses them.
/// </summary>
[TestClass]
public sealed partial class RandomnessTests
{
    [TestMethod]
    public void Generators_Device_IsTheCPU()
    {
        var calls = Calls(Generator());
        Assert.IsNotEmpty(calls);
        foreach (var call in calls) Assert.MatchesRegex(@"^new Generator\(.*, CPU\)$", call);
    }

    [TestMethod]
    public void Generators_Creation_NamesTheType() =>
        Assert.AreSequenceEqual([], Calls(UnnamedGenerator()));

    [TestMethod]
    public void RandomTensors_Device_IsTheCPUAndTheTypeIsNamed()
    {
        var calls = Calls(RandomTensor());
        Assert.IsNotEmpty(calls);
        foreach (var call in calls) Assert.MatchesRegex(@"ScalarType\.\w+, CPU, generator: \w+\)$", call);
    }

    [TestMethod]
    public void Gradients_Function_IsNotTheOneWhoseErrorsEndTheProcess() =>
        Assert.AreSequenceEqual([], Calls(AutogradGrad()));

    private static string[] Calls(Regex pattern) =>
        [.. SourceFile.All.SelectMany(file => pattern.Matches(file.Code)).Select(match => match.Value)];

    // Balanced parentheses.
    private const string Arguments = @"\((?>[^()]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\)";

    [GeneratedRegex(@"\bnew (?:torch\.)?Generator" + Arguments)]
    private static partial Regex Generator();

    [GeneratedRegex(@"\bGenerator \w+ = new\b.*")]
    private static partial Regex UnnamedGenerator();

    [GeneratedRegex(@"(?<![.\w])(?:torch\.)?(?:rand|randn|randint|randperm|normal|bernoulli)" + Arguments)]
    private static partial Regex RandomTensor();

    [GeneratedRegex(@"\bautograd\.grad\b")]
    private static partial Regex AutogradGrad();
}

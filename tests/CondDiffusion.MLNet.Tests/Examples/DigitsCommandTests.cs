using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class DigitsCommandTests
{
    [TestMethod]
    [DataRow("/app/Examples", new[] { "generate", "--count", "1" })]
    [DataRow("/usr/bin/dotnet", new[] { "/app/Examples.dll", "generate", "--count", "1" })]
    [DataRow("/usr/bin/DOTNET.exe", new[] { "/app/Examples.dll", "generate", "--count", "1" })]
    public void Command_StartedByItselfOrByDotnet_StartsTheProgramAgain(string program, string[] expected)
    {
        var command = DigitsCommand.Command(program, "/app/Examples.dll", ["generate", "--count", "1"]);
        Assert.AreEqual(program, command.FileName);
        Assert.AreSequenceEqual(expected, command.ArgumentList);
    }
}

using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>The process of the tests, whose trainings are faster if it keeps the memory that they free.</summary>
[TestClass]
public static class TestProcess
{
    [AssemblyInitialize]
    public static void KeepFreedMemory(TestContext _) => FreedMemory.Keep();
}

using CondDiffusion.Examples;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>The process of the tests, whose networks are tiny.</summary>
[TestClass]
public static class TestProcess
{
    [AssemblyInitialize]
    public static void MakeFast(TestContext _)
    {
        FreedMemory.Keep();

        // The tests run on changing threads. Where several of them have computed with libtorch, each of its parallel
        // loops waits longer for its threads than it computes with a tiny network.
        set_num_threads(1);
    }
}

[assembly: DoNotParallelize]

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class SmokeTests
{
    [TestMethod]
    public void Addition_OneAndOne_IsTwo() => Assert.AreEqual(2, Math.Max(1, 2));
}

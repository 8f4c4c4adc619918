using System.Security.Cryptography;
using CondDiffusion.MLNet.Pipeline;

namespace CondDiffusion.MLNet.Tests.Pipeline;

[TestClass]
public sealed class HashingStreamTests
{
    [TestMethod]
    public void Write_InAnyParts_HashesAllBytesInOrder()
    {
        var bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = new HashingStream(hash);

        stream.Write(bytes.AsSpan(0, 10));
        stream.WriteByte(bytes[10]);
        stream.Write(bytes, 11, 89);
        using (var rest = new MemoryStream(bytes, 100, bytes.Length - 100)) rest.CopyTo(stream);

        Assert.AreSequenceEqual(SHA256.HashData(bytes), hash.GetHashAndReset());
    }
}
